//! The real cloud that `tests/openstack/up` has brought up, for the laws that a driver keeps there too.
//!
//! Where it is, `up` writes into `STATE/env`, and that has to be in the environment: without it a test of a real service
//! fails. The user and the project `laws` are for these tests alone. What lies behind a service is in `up`'s folder: that is
//! how a test changes bytes, breaks reads and damages copies.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use stacksnap_openstack::{Method, Session, cinder, nova};

use super::Patience;
use super::lab::{Caller, login};

/// Who the tests are, and the name of their project.
const WHO: &str = "laws";
/// What something of the cloud's own is waited for at most.
const WAIT: Duration = Duration::from_secs(180);

/// What the user `laws` sees of it.
pub(crate) struct Real {
    caller: Caller,
    state: PathBuf,
}

impl Deref for Real {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Real {
    pub(crate) async fn from_env() -> Self {
        let session = session(WHO);
        let token = session.token().await.expect("the cloud's Keystone knows the user `laws`");
        let project = token.project.unwrap().id.parse().unwrap();
        Self { caller: Caller::with(session, project), state: var("STATE").into() }
    }

    /// In `up`'s folder.
    pub(crate) fn file(&self, path: impl AsRef<Path>) -> PathBuf {
        self.state.join(path)
    }

    /// What no client of ours asks for. `path` is in the service's own words, its version too.
    pub(crate) async fn ask(&self, method: Method, (service, path): (&str, &[&str]), body: Option<&Value>) -> Value {
        send(&self.session, method, (service, path), body).await
    }

    /// What only an administrator may.
    pub(crate) async fn as_admin(&self, (service, path): (&str, &[&str]), body: Option<&Value>) {
        send(&session("admin"), Method::POST, (service, path), body).await;
    }
}

/// The answer's body, or nothing.
async fn send(who: &Session, method: Method, (service, path): (&str, &[&str]), body: Option<&Value>) -> Value {
    let mut request = who.request(method, service, path).await.unwrap();
    request = match service {
        "block-storage" => request.microversion("volume", cinder::VERSION).unwrap(),
        "compute" => request.microversion("compute", nova::VERSION).unwrap(),
        _ => request,
    };
    if let Some(body) = body {
        request = request.json(body).unwrap();
    }
    who.send(request).await.unwrap().json().unwrap_or_default()
}

/// Of a user in the project of the same name.
fn session(user: &str) -> Session {
    login(var("KEYSTONE").parse().unwrap(), (user, &var("SECRET")), user)
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: load STATE/env of tests/openstack/up first"))
}

/// As patient as an operator's, and quick about it.
pub(crate) fn patience(key: &'static str) -> Patience {
    Patience { pace: (SOON, SOON), ..Patience::new(key) }
}

/// Between two looks: a real service has more to do than to answer us.
pub(crate) const SOON: Duration = Duration::from_millis(400);

/// Whether it is under way. Not asked again and again without a pause.
pub(crate) async fn paced(is_under_way: bool) -> bool {
    if !is_under_way {
        tokio::time::sleep(SOON / 10).await;
    }
    is_under_way
}

/// A wait for something of the cloud's own: looked at again after each [`Wait::pause`].
pub(crate) struct Wait {
    what: &'static str,
    end: Instant,
}

impl Wait {
    pub(crate) fn until(what: &'static str) -> Self {
        Self { what, end: Instant::now() + WAIT }
    }

    pub(crate) async fn pause(&self) {
        assert!(Instant::now() < self.end, "never: {}", self.what);
        tokio::time::sleep(SOON).await;
    }
}
