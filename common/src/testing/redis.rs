//! A Redis server for tests.
//!
//! Its port is of the loopback, its directory under the system's temporary one. It is the child of a small shell that
//! waits at the end of a pipe which only this process holds: when the test ends, however it ends, the pipe ends, and the
//! shell kills the server.

#![expect(clippy::expect_used, reason = "a test that has no server must fail, and say why")]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BOOT: Duration = Duration::from_secs(30);

/// Starts the server, tells its pid, then sends it the signals that it is told.
const KEEPER: &str = r#"
"$@" >> log 2>&1 < /dev/null &
pid=$!
echo $pid > pid.new && mv pid.new pid
while read -r signal; do kill -"$signal" $pid; done
kill -KILL $pid
wait $pid
"#;

/// A running server, or one that was stopped and can be started again on what it left.
pub struct RedisServer {
    arguments: Vec<String>,
    port: u16,
    directory: TempDir,
    keeper: Option<(Child, ChildStdin)>,
}

impl RedisServer {
    /// Starts a server that keeps what it is told, as stacksnap wants it. Panics with the reason where it can't: a test
    /// that needs a server fails without one.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with settings of `redis.conf` besides ours, or in place of them.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_mode(&[], settings).await
    }

    /// A sentinel instead of a server, that watches the master at `port` under the name `main`, alone.
    pub async fn start_sentinel(master: u16) -> Self {
        let monitor = format!("main 127.0.0.1 {master} 1");
        let settings = [
            ("sentinel monitor", monitor.as_str()),
            ("sentinel down-after-milliseconds", "main 500"),
            ("sentinel failover-timeout", "main 5000"),
        ];
        Self::start_mode(&["--sentinel"], &settings).await
    }

    async fn start_mode(mode: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut why = String::new();
        // A port that is free now may be taken a moment later, so there is more than one try.
        for _ in 0..3 {
            let directory = tempfile::Builder::new().prefix("stacksnap-redis-").tempdir().expect("make a directory");
            let port = free_port();
            let mut config = format!("port {port}\nbind 127.0.0.1\ndir {}\n", directory.path().display());
            if mode.is_empty() {
                config += "save \"\"\nappendonly yes\nappendfsync always\nmaxmemory-policy noeviction\n";
            }
            for (name, value) in settings {
                config += &format!("{name} {value}\n");
            }
            let path = directory.path().join("redis.conf");
            fs::write(&path, config).expect("write redis.conf");
            let mut arguments = vec![path.display().to_string()];
            arguments.extend(mode.iter().map(|&argument| argument.to_owned()));
            let mut server = Self { arguments, port, directory, keeper: None };
            match server.boot().await {
                Ok(()) => return server,
                Err(error) => why = error,
            }
        }
        panic!("redis-server does not start: {why}\nIf it is not installed: apt-get install redis-server");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Kills it at once (SIGKILL). Nothing happens if it does not run.
    pub fn stop(&mut self) {
        if let Some((mut shell, pipe)) = self.keeper.take() {
            drop(pipe);
            // It waits for the server, so that it is gone after this.
            let _ = shell.wait();
        }
    }

    /// Starts it on what it left, with the same port, and waits until it has read that.
    pub async fn start_again(&mut self) {
        self.stop();
        self.boot().await.expect("start redis-server again");
    }

    /// Stops it in its tracks (SIGSTOP): connections stay, nothing answers.
    pub fn pause(&mut self) {
        self.signal("STOP", |state| state == 'T');
    }

    pub fn resume(&mut self) {
        self.signal("CONT", |state| state != 'T');
    }

    /// Whether the process lives; a server ends by itself when it can't write.
    pub fn runs(&self) -> bool {
        self.state().is_some_and(|state| state != 'Z')
    }

    /// Sends one command, as a user types it, and returns the first line of the answer.
    pub async fn tell(&self, command: &str) -> std::io::Result<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await?;
        connection.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") {
            match connection.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(error) => return Err(error),
            }
        }
        Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
    }

    async fn boot(&mut self) -> Result<(), String> {
        // What the last one left is of no more meaning.
        let _ = fs::remove_file(self.directory().join("pid"));
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", KEEPER, "sh", "redis-server"]).args(&self.arguments);
        shell.current_dir(self.directory()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = shell.spawn().map_err(|error| error.to_string())?;
        let pipe = shell.stdin.take().ok_or("no pipe")?;
        self.keeper = Some((shell, pipe));
        let started = Instant::now();
        loop {
            match tokio::time::timeout(Duration::from_secs(1), self.tell("PING")).await {
                // It may want a password: that is an answer too.
                Ok(Ok(answer)) if !answer.starts_with("-LOADING") => return Ok(()),
                _ if started.elapsed() > BOOT || (self.pid().is_some() && !self.runs()) => break,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        self.stop();
        Err(fs::read_to_string(self.directory().join("log")).unwrap_or_else(|error| error.to_string()))
    }

    fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.directory().join("pid")).ok()?.trim().parse().ok()
    }

    fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()?)).ok()?;
        // The name before it stands in brackets and may hold anything.
        stat.rsplit_once(") ")?.1.chars().next()
    }

    fn signal(&mut self, signal: &str, reached: impl Fn(char) -> bool) {
        let (_, pipe) = self.keeper.as_mut().expect("the server was stopped");
        writeln!(pipe, "{signal}").expect("tell the shell");
        let started = Instant::now();
        while !self.state().is_some_and(&reached) {
            assert!(started.elapsed() < BOOT, "SIG{signal} had no effect");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a port of the loopback");
    listener.local_addr().expect("the port").port()
}
