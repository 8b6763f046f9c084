//! stacksnap as an operator runs it: one process for the API and one worker, on RabbitMQ and Redis, with Keystone.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use stacksnap_common::testing::rabbit::RabbitServer;
use stacksnap_common::testing::redis::RedisServer;

use super::cloud::Cloud;

const START: Duration = Duration::from_secs(60);

pub struct Service {
    processes: Vec<Child>,
    url: String,
    _servers: (RedisServer, RabbitServer),
}

impl Service {
    pub async fn start(program: &Path, directory: &Path, cloud: &Cloud) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let key = directory.join("master.key");
        std::fs::write(&key, format!("{:064x}\n", uuid::Uuid::new_v4().as_u128()))?;
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let (redis, rabbit) = tokio::join!(RedisServer::start(), RabbitServer::start());
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut service =
            Self { processes: Vec::new(), url: format!("http://127.0.0.1:{port}/v1"), _servers: (redis, rabbit) };
        for role in ["api", "worker"] {
            let log = std::fs::File::create(directory.join(format!("{role}.log")))?;
            let child = Command::new(program)
                .arg(role)
                .env("STACKSNAP_LISTEN", format!("127.0.0.1:{port}"))
                .env("STACKSNAP_DATA_DIR", directory.join("data"))
                .env("STACKSNAP_VAULT__PATH", directory.join("vault"))
                .env("STACKSNAP_VAULT__MASTER_KEY_FILE", &key)
                .env("STACKSNAP_REDIS", service._servers.0.url())
                .env("STACKSNAP_AMQP", service._servers.1.url())
                .env("STACKSNAP_AUTH", "keystone")
                .env("STACKSNAP_KEYSTONE__AUTH_URL", &cloud.keystone)
                .env("STACKSNAP_KEYSTONE__PASSWORD", &cloud.secret)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .with_context(|| format!("start {}", program.display()))?;
            service.processes.push(child);
        }
        service.until_ready(directory).await?;
        Ok(service)
    }

    /// Up to the project.
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn until_ready(&mut self, directory: &Path) -> anyhow::Result<()> {
        let start = Instant::now();
        let ready = self.url.replace("/v1", "/readyz");
        while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
            for (process, role) in self.processes.iter_mut().zip(["api", "worker"]) {
                if process.try_wait()?.is_some() || start.elapsed() > START {
                    bail!("it does not start: {}", std::fs::read_to_string(directory.join(format!("{role}.log")))?);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
