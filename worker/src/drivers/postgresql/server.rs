//! A throw-away server: a PostgreSQL of one's own, started from an installed package, gone with the process.
//!
//! The demo and the tests use it. Its files are in a temporary directory, it listens on a socket in there and on no
//! network, its superuser is `postgres` with a random password. PostgreSQL refuses to run as root: started by root, it
//! runs as `postgres`, or else as `nobody`.
//!
//! A shell stands between us and the server and holds the other end of a pipe. When this process ends, in whatever way,
//! the pipe closes, and the shell ends the server and removes its directory.

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stacksnap_common::config::{self, Projects, SslMode};

/// What to install where nothing is.
pub const PACKAGE: &str = "postgresql";

/// How long initialising, or starting, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Only a part of the socket's name, as long as there is no network.
const PORT: u16 = 5432;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no PostgreSQL server is installed (Debian's package: {PACKAGE})")]
    NotInstalled,
    #[error("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")]
    NoUser,
    #[error("{doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
    #[error("{0}")]
    Failed(String),
}

/// A server that runs as long as this value lives.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    bin: PathBuf,
    user: Option<(u32, u32)>,
    password: String,
    port: u16,
    settings: Vec<String>,
    shell: Option<Child>,
}

impl Server {
    /// Initialises and starts one; returns when it answers. `settings` are the server's (`max_connections=20`).
    ///
    /// # Errors
    /// [`Error::NotInstalled`] where there is none to start.
    pub fn start(settings: &[&str]) -> Result<Self, Error> {
        let bin = find().ok_or(Error::NotInstalled)?;
        let user = if rustix::process::geteuid().is_root() { Some(unprivileged()?) } else { None };
        let dir = std::env::temp_dir().join(format!("stacksnap-pg-{}", uuid::Uuid::new_v4().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&dir).map_err(io("making a directory for the server"))?;
        let password = uuid::Uuid::new_v4().simple().to_string();
        let port = settings.iter().find_map(|setting| setting.strip_prefix("port=")?.parse().ok()).unwrap_or(PORT);
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { dir, bin, user, password, port, settings, shell: None };
        server.initialise()?;
        server.resume()?;
        Ok(server)
    }

    /// What an operator's configuration would say of it: logged in as the superuser, for these projects.
    pub fn connection(&self, projects: Projects) -> config::Connection {
        config::Connection {
            host: self.dir.to_string_lossy().into_owned(),
            port: self.port,
            user: "postgres".to_owned(),
            password: None,
            password_file: Some(self.password_file()),
            passfile: None,
            sslmode: SslMode::Disable,
            sslrootcert: None,
            maintenance_database: "postgres".to_owned(),
            bin_dir: Some(self.bin.clone()),
            projects,
            databases: Vec::new(),
        }
    }

    /// How to log in as the superuser: the directory of the socket, the port, the password.
    pub fn login(&self) -> (&Path, u16, &str) {
        (&self.dir, self.port, &self.password)
    }

    /// Where the server's programs are.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Ends it at once, as a crash would. Its files stay.
    pub fn halt(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            // Nothing is left to be done if it can't be waited for.
            let _ = shell.wait();
        }
    }

    /// Starts it (again); returns when it answers.
    ///
    /// # Errors
    /// It ends, or doesn't answer in time.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.halt();
        // The directory is removed only if this process, who would do it in order, is gone.
        let script = r#"dir=$1; owner=$2; shift 2
            "$@" >>"$dir/log" 2>&1 & server=$!
            cat >/dev/null
            kill -QUIT $server; wait $server
            [ -d "/proc/$owner" ] || rm -rf "$dir""#;
        let mut command = self.unprivileged("/bin/sh".as_ref());
        command.arg("-c").arg(script).arg("sh").arg(&self.dir).arg(std::process::id().to_string());
        command.arg(self.bin.join("postgres")).arg("-D").arg(self.data()).arg("-k").arg(&self.dir);
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=", "-c", "fsync=off"]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.shell = Some(command.spawn().map_err(io("starting the server"))?);
        self.await_ready()
    }

    fn await_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut ready = Command::new(self.bin.join("pg_isready"));
            ready.args(["-q", "-t", "5", "-p", &self.port.to_string(), "-h"]).arg(&self.dir);
            if ready.status().map_err(io("asking whether the server is ready"))?.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::Failed(format!("the server does not answer; its log:\n{}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn initialise(&self) -> Result<(), Error> {
        let mut file = std::fs::OpenOptions::new();
        let file = file.write(true).create_new(true).mode(0o600).open(self.password_file());
        file.and_then(|mut file| file.write_all(self.password.as_bytes())).map_err(io("writing the password"))?;
        if let Some((uid, gid)) = self.user {
            for path in [self.dir.clone(), self.password_file()] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(io("giving the directory away"))?;
            }
        }
        let mut command = self.unprivileged(&self.bin.join("initdb"));
        command.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        command.arg("-D").arg(self.data()).arg("--pwfile").arg(self.password_file()).stdin(Stdio::null());
        let output = command.output().map_err(io("starting initdb"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Failed(format!("initdb failed ({}): {said}", output.status)))
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    fn unprivileged(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        if let Some((uid, gid)) = self.user {
            // With the ids changed by root, the supplementary groups are dropped as well.
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
        // It is in the system's temporary directory: at worst it stays there.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn io(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { doing, source }
}

/// The newest installed server's programs, where distributions put them.
fn find() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, below) in [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin")] {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let major = name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(|number| number.parse().ok());
            let bin = entry.path().join(below);
            if let Some(major) = major.filter(|_| bin.join("initdb").is_file() && bin.join("pg_dump").is_file()) {
                found.push((major, bin));
            }
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path =
        std::env::split_paths(&path).find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file());
    found.into_iter().max().map(|(_, bin)| bin).or(in_path)
}

/// User and group to run as.
pub(super) fn unprivileged() -> Result<(u32, u32), Error> {
    let passwd = std::fs::read_to_string("/etc/passwd").map_err(io("reading /etc/passwd"))?;
    let ids = |name: &str| {
        let line = passwd.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = line.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).ok_or(Error::NoUser)
}
