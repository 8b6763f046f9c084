//! The real cloud that `tests/openstack/up` has brought up, for the laws that a driver keeps there too.
//!
//! Where it is, `up` writes into `STATE/env`, and that has to be in the environment: without it a test of a real service
//! fails. The user and the project `laws` are for these tests alone. What lies behind a service is in `up`'s folder: that is
//! how a test changes bytes, breaks reads and damages copies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use stacksnap_common::ids::ProjectId;
use stacksnap_openstack::{Method, Session};

use super::Patience;
use super::lab::{Given, login};
use crate::driver::CloudSource;
use crate::drivers::contract::Shelf;

/// Who the tests are, and the name of their project.
const WHO: &str = "laws";
/// What something of the cloud's own is waited for at most.
const WAIT: Duration = Duration::from_secs(180);

pub(crate) struct Real {
    pub(crate) shelf: Shelf,
    pub(crate) session: Session,
    pub(crate) project: ProjectId,
    state: PathBuf,
}

impl Real {
    pub(crate) async fn from_env() -> Self {
        let session = session(WHO);
        let token = session.token().await.expect("the cloud's Keystone knows the user `laws`");
        let project = token.project.unwrap().id.parse().unwrap();
        Self { shelf: Shelf::new(), session, project, state: var("STATE").into() }
    }

    pub(crate) fn source(&self) -> Arc<dyn CloudSource> {
        Arc::new(Given(self.session.clone()))
    }

    /// In `up`'s folder.
    pub(crate) fn file(&self, path: impl AsRef<Path>) -> PathBuf {
        self.state.join(path)
    }

    /// What only an administrator may. `version`: of an API that has them, as a header has it.
    pub(crate) async fn as_admin(&self, service: &str, version: Option<(&str, &str)>, path: &[&str], body: &Value) {
        let admin = session("admin");
        let mut request = admin.request(Method::POST, service, path).await.unwrap();
        if let Some((service, version)) = version {
            request = request.microversion(service, version).unwrap();
        }
        admin.send(request.json(body).unwrap()).await.unwrap();
    }
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
pub(crate) const SOON: Duration = Duration::from_millis(200);

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
