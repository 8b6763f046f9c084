//! stacksnap in this process: the router, the embedded store and queue, a worker and a vault.
//!
//! It is held by its timers: what is accepted is a timer, and without their pump nothing is published.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use stacksnap_api::Api;
use stacksnap_api::auth::file::TokenFile;
use stacksnap_api::heat::grant::Grants;
use stacksnap_common::config::Limits;
use stacksnap_common::kinds::Kinds;
use stacksnap_common::queue::{self, Queue};
use stacksnap_common::store::backend::{Backend, Shards};
use stacksnap_common::store::embedded::Embedded;
use stacksnap_common::store::{self, Store};
use stacksnap_common::timers;
use stacksnap_openstack::{Http, Url, http};
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

pub struct Service {
    backend: Arc<dyn Backend>,
    store: Store,
    queue: Arc<dyn Queue>,
    heat: Option<(Http, Url)>,
    address: String,
    dir: TempDir,
    token: CancellationToken,
    parts: Vec<JoinHandle<()>>,
    pump: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

/// Who may do what.
pub struct User<'a> {
    pub token: &'a str,
    pub project: &'a str,
    pub role: &'a str,
    pub name: &'a str,
}

impl Service {
    /// Held, and without a worker. `heat`: the Heat that it stands in front of, up to `/v1`.
    pub async fn start(users: &[User<'_>], heat: Option<Url>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["root", "data"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let backend = Embedded::open(&dir.path().join("data"), Shards::new(4).unwrap()).unwrap();
        let backend: Arc<dyn Backend> = Arc::new(backend);
        let store = Store::new(Arc::clone(&backend), settings(), Kinds::default());
        let queue: Arc<dyn Queue> = queue::Local::new();
        let tokens = dir.path().join("tokens");
        let line = |user: &User<'_>| format!("{} {} {} {}\n", hash(user.token), user.project, user.role, user.name);
        std::fs::write(&tokens, users.iter().map(line).collect::<String>()).unwrap();
        let identity = Arc::new(TokenFile::open(&tokens).unwrap());
        let mut api = Api::new(store.clone(), queue.connected(), identity, Limits::default());
        let heat = heat.map(|url| (Http::new(http::Settings::default()).unwrap(), url));
        if let Some((http, url)) = heat.clone() {
            let front = stacksnap_api::heat::Heat::new(http, url, Duration::from_secs(30), 16, Grants::Token);
            api.heat = Some(Arc::new(front));
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let token = CancellationToken::new();
        let serve = stacksnap_api::serve(listener, api, token.clone());
        let parts = vec![tokio::spawn(async move { serve.await.unwrap() })];
        Self { backend, store, queue, heat, address, dir, token, parts, pump: Mutex::default() }
    }

    /// The store that everything here is in.
    pub fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// Starts a worker that stops with the service.
    pub fn work(&mut self) {
        let run = self.worker("worker", self.backend(), self.token.clone());
        self.parts.push(run);
    }

    /// Starts a worker over the same store, or over one that stands before it, until a token is cancelled.
    pub fn worker(&self, id: &str, backend: Arc<dyn Backend>, token: CancellationToken) -> JoinHandle<()> {
        let store = Store::new(backend, settings(), Kinds::default());
        let (mut deps, settings) = worker(self.dir.path(), &store, &self.queue);
        deps.heat = self.heat.clone().map(|(http, url)| stacksnap_worker::heat::Heat::new(http, url));
        let settings = stacksnap_worker::Settings { id: id.parse().unwrap(), ..settings };
        tokio::spawn(async move { stacksnap_worker::run(deps, settings, token).await.unwrap() })
    }

    /// Stops it; nothing may fail on the way.
    pub async fn stop(mut self) {
        self.hold().await;
        self.token.cancel();
        for part in std::mem::take(&mut self.parts) {
            part.await.unwrap();
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where directories may be taken from.
    pub fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    pub async fn hold(&self) {
        if let Some((token, pump)) = self.pump.lock().await.take() {
            token.cancel();
            pump.await.unwrap();
        }
    }

    pub async fn release(&self) {
        let mut pump = self.pump.lock().await;
        if pump.is_none() {
            let token = CancellationToken::new();
            let settings = timers::Settings { every: Duration::from_millis(20), ..timers::Settings::default() };
            let run = timers::run(self.store.clone(), Arc::clone(&self.queue), settings, token.clone());
            *pump = Some((token, tokio::spawn(run)));
        }
    }
}

/// With short leases: a worker that dies is followed soon.
fn settings() -> store::Settings {
    store::Settings { lease: Duration::from_secs(3), ..store::Settings::default() }
}

fn worker(dir: &Path, store: &Store, queue: &Arc<dyn Queue>) -> (Deps, stacksnap_worker::Settings) {
    let roots = vec![directory::AllowedRoot { project: None, path: dir.join("root") }];
    let directory = Directory::new(directory::Settings { roots, control: dir.join("control"), own: Vec::new() });
    let key = MasterKey::create_file(&dir.join("master.key")).unwrap();
    let vaults = Vaults::new(vault::Settings::new(Location::Directory(dir.join("vault"))), key).unwrap();
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
        renew: Duration::from_secs(1),
        shutdown: Duration::from_secs(10),
        housekeeping: housekeeping::Settings {
            every: Duration::from_secs(3600),
            rules: PruneRules { longest_copy: Duration::from_secs(3600) },
        },
    };
    (deps, settings)
}

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}
