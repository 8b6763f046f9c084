//! `serve` as a person starts it, and the built-in client and the operator's commands beside it.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cli::{self, Ran};

pub struct Serve {
    child: Child,
    pub dir: TempDir,
    port: u16,
}

impl Serve {
    /// Starts it on a new data directory; the directory `root` beside that may be protected.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::spawn(&dir, port);
        let serve = Self { child, dir, port };
        serve.until_ready();
        serve
    }

    fn spawn(dir: &TempDir, port: u16) -> Child {
        let (listen, root) = (format!("127.0.0.1:{port}"), dir.path().join("root"));
        let arguments =
            ["serve", "--listen", &listen, "--data-dir", "data", "--directory-root", root.to_str().unwrap()];
        let log = std::fs::File::options().create(true).append(true).open(dir.path().join("log")).unwrap();
        cli::command(&arguments).current_dir(dir).stdout(Stdio::null()).stderr(log).spawn().unwrap()
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

    /// A command of the client.
    pub fn client(&self, arguments: &[&str]) -> Ran {
        let url = format!("http://127.0.0.1:{}", self.port);
        cli::ended(cli::command(arguments).env("STACKSNAP_URL", url).output().unwrap())
    }

    /// An operator's command on the same data directory.
    pub fn operator(&self, arguments: &[&str]) -> Ran {
        let arguments = [arguments, &["--data-dir", "data"]].concat();
        cli::ended(cli::command(&arguments).current_dir(&self.dir).output().unwrap())
    }

    /// SIGTERM, and its end, which must be a clean one.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    pub fn resume(&mut self) {
        self.child = Self::spawn(&self.dir, self.port);
        self.until_ready();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
