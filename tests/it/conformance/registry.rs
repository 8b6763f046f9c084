//! stacksnap with a registry of its own: the router, the embedded store and queue, a worker and a vault in this process.
//!
//! It is held by its timers: what is accepted is a timer, and without their pump nothing is published.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stacksnap_api::Api;
use stacksnap_api::auth::file::TokenFile;
use stacksnap_common::config::Limits;
use stacksnap_common::kinds::Kinds;
use stacksnap_common::queue::{self, Queue};
use stacksnap_common::store::backend::Shards;
use stacksnap_common::store::embedded::Embedded;
use stacksnap_common::store::{self, Store};
use stacksnap_common::timers;
use stacksnap_worker::drivers::directory::{self, Directory};
use stacksnap_worker::drivers::native::Native;
use stacksnap_worker::housekeeping;
use stacksnap_worker::slots::Counts;
use stacksnap_worker::vault::{self, Location, MasterKey, PruneRules, Vaults};
use stacksnap_worker::{Deps, Registry as Drivers};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::subject::{ALT, DEMO, Mode, Subject, Who};

const VOLUME: &str = "OS::Cinder::Volume";
const DIRECTORY: &str = "Stacksnap::Directory";

pub struct Registry {
    store: Store,
    queue: Arc<dyn Queue>,
    address: String,
    dir: TempDir,
    token: CancellationToken,
    parts: Vec<JoinHandle<()>>,
    pump: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
    lost: std::sync::Mutex<BTreeSet<String>>,
}

impl Registry {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["root", "data"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let backend = Embedded::open(&dir.path().join("data"), Shards::new(4).unwrap()).unwrap();
        let store = Store::new(Arc::new(backend), store::Settings::default(), Kinds::default());
        let queue: Arc<dyn Queue> = queue::Local::new();
        let token = CancellationToken::new();
        let tokens = dir.path().join("tokens");
        std::fs::write(&tokens, token_file()).unwrap();
        let identity = Arc::new(TokenFile::open(&tokens).unwrap());
        let api = Api::new(store.clone(), queue.connected(), identity, Limits::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (deps, settings) = worker(&dir, &store, &queue);
        let parts = vec![
            tokio::spawn({
                let token = token.clone();
                async move { stacksnap_api::serve(listener, api, token).await.unwrap() }
            }),
            tokio::spawn({
                let token = token.clone();
                async move { stacksnap_worker::run(deps, settings, token).await.unwrap() }
            }),
        ];
        Self { store, queue, address, dir, token, parts, pump: Mutex::default(), lost: Default::default() }
    }

    /// Stops it; nothing may fail on the way.
    pub async fn stop(mut self) {
        self.hold().await;
        self.token.cancel();
        for part in std::mem::take(&mut self.parts) {
            part.await.unwrap();
        }
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.dir.path().join("root").join(name)
    }

    /// Makes what stands for a volume of that name, unless it was lost.
    fn volume(&self, name: &str) -> Value {
        let path = self.directory(name);
        if !self.lost.lock().unwrap().contains(name) && std::fs::create_dir(&path).is_ok() {
            std::fs::write(path.join("file"), name).unwrap();
        }
        json!({"type": DIRECTORY, "external_id": path})
    }
}

fn worker(dir: &TempDir, store: &Store, queue: &Arc<dyn Queue>) -> (Deps, stacksnap_worker::Settings) {
    let roots = vec![directory::AllowedRoot { project: None, path: dir.path().join("root") }];
    let directory = Directory::new(directory::Settings { roots, control: dir.path().join("control") });
    let key = MasterKey::create_file(&dir.path().join("master.key")).unwrap();
    let vaults = Vaults::new(vault::Settings::new(Location::Directory(dir.path().join("vault"))), key).unwrap();
    let deps = Deps {
        clouds: Default::default(),
        heat: None,
        store: store.clone(),
        queue: Arc::clone(queue),
        drivers: Drivers::default().with(Arc::new(directory)).with(Arc::new(Native)),
        vaults: Arc::new(vaults),
    };
    let settings = stacksnap_worker::Settings {
        id: "worker".parse().unwrap(),
        host: "host".to_owned(),
        pools: vec![Default::default()],
        slots: Counts { data: 4, cut: 32, control: 8 },
        renew: Duration::from_secs(3),
        shutdown: Duration::from_secs(10),
        housekeeping: housekeeping::Settings {
            every: Duration::from_secs(3600),
            rules: PruneRules { longest_copy: Duration::from_secs(3600) },
        },
    };
    (deps, settings)
}

fn token(who: Who) -> &'static str {
    match who {
        Who::Demo => "of-demo",
        Who::Alt => "of-alt",
        Who::Reader => "of-a-reader",
        Who::Admin => "of-admin",
    }
}

fn token_file() -> String {
    let line = |who, project, role, user| format!("{} {project} {role} {user}\n", hash(token(who)));
    [
        line(Who::Demo, DEMO, "member", "demo"),
        line(Who::Alt, ALT, "member", "alt"),
        line(Who::Reader, DEMO, "reader", "reader"),
        line(Who::Admin, "admin", "admin", "admin"),
    ]
    .concat()
}

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Subject for Registry {
    fn mode(&self) -> Mode {
        Mode::Registry
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn token(&self, who: Who) -> String {
        token(who).to_owned()
    }

    fn project(&self, recorded: &str) -> String {
        recorded.to_owned()
    }

    async fn hold(&self) {
        if let Some((token, pump)) = self.pump.lock().await.take() {
            token.cancel();
            pump.await.unwrap();
        }
    }

    async fn release(&self) {
        let mut pump = self.pump.lock().await;
        if pump.is_none() {
            let token = CancellationToken::new();
            let settings = timers::Settings { every: Duration::from_millis(20), ..timers::Settings::default() };
            let run = timers::run(self.store.clone(), Arc::clone(&self.queue), settings, token.clone());
            *pump = Some((token, tokio::spawn(run)));
        }
    }

    /// A directory for each volume.
    fn dress(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.dress(value)),
            Value::Object(object) => {
                for (name, value) in object.iter_mut() {
                    let recorded = value.get("resource_id").is_some();
                    if value["type"] == VOLUME && !recorded {
                        *value = self.volume(name);
                    } else if *value == VOLUME {
                        *value = DIRECTORY.into();
                    }
                    self.dress(value);
                }
            }
            _ => {}
        }
    }

    async fn lose(&self, resource: &str) {
        self.lost.lock().unwrap().insert(resource.to_owned());
        std::fs::remove_dir_all(self.directory(resource)).unwrap();
    }
}
