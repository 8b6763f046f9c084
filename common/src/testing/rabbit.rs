//! A RabbitMQ broker for tests.
//!
//! Everything is its own: ports of the loopback, a directory under the system's temporary one, an Erlang port mapper
//! (epmd), a node name that only that epmd knows. So brokers run beside each other and beside the machine's own.
//!
//! Nothing outlives the test process, however that ends. Each server process is started through `setpriv --pdeathsig
//! KILL`: the kernel kills it when its parent dies. For the kernel the parent is the *thread* that started it, so each
//! has a thread of ours that lives as long as it should. The directory is removed by a small shell that waits for the
//! end of a pipe which only this process holds.

#![expect(clippy::expect_used, reason = "a test that has no broker must fail, and say why")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Where Debian's package keeps the scripts themselves; those in the PATH insist on a user named rabbitmq.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// A boot takes 3 to 5 s of one core. Several brokers may boot at once on a small machine.
const BOOT: Duration = Duration::from_secs(120);

pub struct RabbitServer {
    directory: PathBuf,
    port: u16,
    epmd_port: u16,
    dist_port: u16,
    broker: Option<Kept>,
    /// Fields are dropped in this order: first the broker, then its port mapper, then the directory.
    _epmd: Kept,
    _janitor: ChildStdin,
}

impl RabbitServer {
    /// Starts a broker and waits until it takes connections. Panics with the reason where it can't be started: a test
    /// that needs a broker fails without one.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with more lines of `rabbitmq.conf`, or in place of ours.
    pub async fn start_with(config: &str) -> Self {
        for program in [&format!("{SCRIPTS}/rabbitmq-server"), "/usr/bin/setpriv"] {
            assert!(
                Path::new(program).exists(),
                "{program} is missing: this test starts a RabbitMQ broker; apt-get install rabbitmq-server util-linux"
            );
        }
        let mut why = String::new();
        // A port that is free now may be taken a second later, so there is more than one try.
        for _ in 0..3 {
            let mut server = Self::prepare(config);
            match server.boot().await {
                Ok(()) => return server,
                Err(error) => why = error,
            }
        }
        panic!("RabbitMQ does not start: {why}");
    }

    /// One broker for all tests of this process that only need names of their own. It must not be stopped.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RabbitServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    fn prepare(config: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("stacksnap-rabbit-{}", Uuid::new_v4().simple()));
        let janitor = janitor(&directory);
        fs::create_dir_all(directory.join("home")).expect("make the broker's directory");
        let [port, epmd_port, dist_port] = [free_port(), free_port(), free_port()];
        let cookie = directory.join("home/.erlang.cookie");
        fs::write(&cookie, Uuid::new_v4().simple().to_string()).expect("write the cookie");
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400)).expect("protect the cookie");
        let ours = format!("listeners.tcp.1 = 127.0.0.1:{port}\ndisk_free_limit.absolute = 10MB\n");
        fs::write(directory.join("rabbitmq.conf"), format!("{ours}{config}\n")).expect("write rabbitmq.conf");
        fs::write(directory.join("enabled_plugins"), "[].\n").expect("write enabled_plugins");
        let mut epmd = dying_with_its_parent("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &epmd_port.to_string()]);
        let epmd = Kept::start(epmd).expect("start epmd (package erlang-base)");
        Self { directory, port, epmd_port, dist_port, broker: None, _epmd: epmd, _janitor: janitor }
    }

    async fn boot(&mut self) -> Result<(), String> {
        let log = fs::File::create(self.directory.join("console.log")).map_err(|e| e.to_string())?;
        let mut command = dying_with_its_parent(&format!("{SCRIPTS}/rabbitmq-server"));
        self.environment(&mut command);
        // The script then becomes the virtual machine instead of waiting for it.
        command.env("RUNNING_UNDER_SYSTEMD", "true");
        command.stdout(log.try_clone().map_err(|e| e.to_string())?).stderr(log);
        let broker = Kept::start(command).map_err(|e| e.to_string())?;
        let started = Instant::now();
        while !answers(self.port).await {
            if !broker.runs() || started.elapsed() > BOOT {
                return Err(fs::read_to_string(self.directory.join("console.log")).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.broker = Some(broker);
        Ok(())
    }

    fn environment(&self, command: &mut Command) {
        let path = |name: &str| self.directory.join(name);
        command
            .env("HOME", path("home"))
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_CRASH_DUMP", path("erl_crash.dump"))
            .env("RABBITMQ_CONF_ENV_FILE", path("none"))
            .env("RABBITMQ_NODENAME", "test@localhost")
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", path("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("RABBITMQ_CTL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "40000")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "60000");
    }

    /// The broker's URL, with the rights of its administrator.
    pub fn url(&self) -> String {
        self.url_of("guest", "guest", "%2f")
    }

    pub fn url_of(&self, user: &str, password: &str, vhost: &str) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{}/{vhost}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes sure that the queues that there are now survive a kill. RabbitMQ 3.10 writes down the list of its quorum
    /// queues up to half a second late; a queue that is not on it after a restart exists, but never answers.
    pub async fn flush(&self) {
        self.ctl(&["eval", "[ok = dets:sync(Table) || Table <- dets:all()]."]).await;
    }

    /// Kills the broker at once, as a power cut would. See [`RabbitServer::flush`].
    pub fn stop(&mut self) {
        self.broker = None;
    }

    /// Stops the broker as an operator does: it takes leave of its clients.
    pub async fn stop_gracefully(&mut self) {
        self.signal("TERM");
        let broker = self.broker.take().expect("the broker is running");
        while broker.runs() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts the broker that was stopped, on the same port and the same data, and waits until it takes connections.
    pub async fn start_again(&mut self) {
        assert!(self.broker.is_none(), "the broker is running");
        if let Err(why) = self.boot().await {
            panic!("RabbitMQ does not start again: {why}");
        }
    }

    /// `rabbitmqctl`; its output. Panics when it fails.
    pub async fn ctl(&self, args: &[&str]) -> String {
        let mut command = Command::new(format!("{SCRIPTS}/rabbitmqctl"));
        self.environment(&mut command);
        command.arg("--quiet").args(args);
        let output = tokio::process::Command::from(command).output().await.expect("run rabbitmqctl");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "rabbitmqctl {args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Stops the broker's clock, as it were: its connections stay, and nothing answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.broker.as_ref().expect("the broker is running").pid;
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("run sh");
        assert!(sent.success(), "kill -{name} of the broker");
    }
}

fn dying_with_its_parent(program: &str) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", "KILL", program]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A port of 127.0.0.1 that nobody listens on, outside the range from which the kernel takes the ports of outgoing connections.
pub fn free_port() -> u16 {
    loop {
        let (random, _) = Uuid::new_v4().as_u64_pair();
        let port = 20_000 + u16::try_from(random % 12_000).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether a broker greets: listeners open before the rest of it is ready, so a connection alone says little.
async fn answers(port: u16) -> bool {
    let greeted = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        stream.read_u8().await
    };
    // A method frame begins with 1, a refusal of the protocol with 'A'.
    matches!(tokio::time::timeout(Duration::from_secs(2), greeted).await, Ok(Ok(1)))
}

/// Removes the directory when this process is gone or lets go of the pipe.
fn janitor(directory: &Path) -> ChildStdin {
    let wait_and_remove = "trap '' INT TERM HUP; read _; until rm -rf \"$0\"; do sleep 1; done";
    let mut child = Command::new("sh")
        .args(["-c", wait_and_remove])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start sh");
    let pipe = child.stdin.take().expect("its standard input is piped");
    std::thread::spawn(move || child.wait());
    pipe
}

/// A process with a thread of its own as its parent. Killed when dropped.
struct Kept {
    pid: u32,
    orders: mpsc::Sender<Order>,
}

enum Order {
    Runs(mpsc::Sender<bool>),
    Kill(mpsc::Sender<bool>),
}

impl Kept {
    fn start(mut command: Command) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let (started, start) = mpsc::channel();
        std::thread::spawn(move || match command.spawn() {
            Ok(child) => {
                let _ = started.send(Ok(child.id()));
                keep(child, &inbox);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        });
        let pid = start.recv().map_err(std::io::Error::other)??;
        Ok(Self { pid, orders })
    }

    fn runs(&self) -> bool {
        self.order(Order::Runs)
    }

    /// False also when the keeper is gone.
    fn order(&self, order: impl FnOnce(mpsc::Sender<bool>) -> Order) -> bool {
        let (answer, answered) = mpsc::channel();
        self.orders.send(order(answer)).is_ok() && answered.recv().unwrap_or(false)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.order(Order::Kill);
    }
}

fn keep(mut child: Child, inbox: &mpsc::Receiver<Order>) {
    loop {
        match inbox.recv() {
            Ok(Order::Runs(answer)) => {
                let _ = answer.send(matches!(child.try_wait(), Ok(None)));
            }
            Ok(Order::Kill(answer)) => {
                let _ = child.kill();
                let _ = child.wait();
                let _ = answer.send(false);
                return;
            }
            Err(_) => return,
        }
    }
}
