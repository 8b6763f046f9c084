//! `serve` as a person starts it, and the built-in client and the operator's commands beside it.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cli::{self, Ran};

pub struct Serve {
    child: Child,
    pub dir: TempDir,
    port: u16,
    /// Whom it runs as, if not as this process.
    user: Option<u32>,
}

impl Serve {
    /// Starts it on a new data directory; the directory `root` beside that may be protected.
    pub fn start() -> Self {
        Self::start_with("", None)
    }

    /// The same with a configuration file, and as another user, whose the directories then are.
    pub fn start_with(config: &str, user: Option<u32>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        std::fs::write(dir.path().join("stacksnap.toml"), config).unwrap();
        for path in [dir.path().to_owned(), dir.path().join("root")] {
            std::os::unix::fs::chown(path, user, user).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::spawn(&dir, port, user);
        let serve = Self { child, dir, port, user };
        serve.until_ready();
        serve
    }

    fn spawn(dir: &TempDir, port: u16, user: Option<u32>) -> Child {
        let (listen, root) = (format!("127.0.0.1:{port}"), dir.path().join("root"));
        let arguments =
            ["serve", "--listen", &listen, "--data-dir", "data", "--directory-root", root.to_str().unwrap()];
        let log = std::fs::File::options().create(true).append(true).open(dir.path().join("log")).unwrap();
        let mut command = cli::command(&[&arguments[..], &["--config", "stacksnap.toml"]].concat());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command.current_dir(dir).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn until_ready(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.client(&["stack", "list"]).status != 0 {
            assert!(Instant::now() < until, "{}", std::fs::read_to_string(self.dir.path().join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Makes a stack of these resources (YAML, below `resources:`), and waits for it.
    pub fn stack(&self, name: &str, resources: &str) -> Ran {
        let template = self.dir.path().join(format!("{name}.yaml"));
        std::fs::write(&template, format!("heat_template_version: 2016-10-14\nresources:\n{resources}\n")).unwrap();
        self.client(&["stack", "create", name, "-t", template.to_str().unwrap(), "--wait"])
    }

    /// A command of the client.
    pub fn client(&self, arguments: &[&str]) -> Ran {
        let url = format!("http://127.0.0.1:{}", self.port);
        cli::ended(cli::command(arguments).env("STACKSNAP_URL", url).output().unwrap())
    }

    /// An operator's command on the same data directory.
    pub fn operator(&self, arguments: &[&str]) -> Ran {
        let arguments = [arguments, &["--data-dir", "data", "--config", "stacksnap.toml"]].concat();
        cli::ended(cli::command(&arguments).current_dir(&self.dir).output().unwrap())
    }

    /// SIGTERM, and its end, which must be a clean one.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    pub fn resume(&mut self) {
        self.child = Self::spawn(&self.dir, self.port, self.user);
        self.until_ready();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
