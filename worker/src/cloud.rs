//! In whose name a step acts towards the cloud.
//!
//! What the operation's caller gave comes first ([`Grant`]): a trust, the caller's own token, or the word that the
//! service's own user acts. An operation without a grant (without Keystone all are; with it, those that no caller asked
//! for, as the end of a safety snapshot's time) acts by the operator's credential, for the projects for which the
//! configuration says so; the default is none. Where Keystone knows our projects it is taken for that very project. A
//! session is kept as long as its grant: its token is good for many steps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stacksnap_common::config::Projects;
use stacksnap_common::heat::{By, Grant};
use stacksnap_common::ids::ProjectId;
use stacksnap_common::store::Store;
use stacksnap_openstack::{Credentials, Scope, Session};
use uuid::Uuid;

use crate::driver::{CloudSource, Error};

/// Sessions kept at once.
const SESSIONS: usize = 1_000;

/// Cheap to clone: all clones share the sessions.
#[derive(Debug, Clone, Default)]
pub struct Clouds(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    service: Option<Session>,
    operator: Option<Session>,
    projects: Projects,
    sessions: Mutex<HashMap<Uuid, Session>>,
    /// Of the operator, for projects that Keystone knows.
    scoped: Mutex<HashMap<ProjectId, Session>>,
}

impl Clouds {
    /// `service`: the service's own user, where our projects are Keystone's. `operator`: the operator's credential, and
    /// the projects of ours that may use it.
    pub fn new(service: Option<Session>, operator: Option<Session>, projects: Projects) -> Self {
        Self(Arc::new(Inner { service, operator, projects, ..Inner::default() }))
    }

    /// The session by which all that is ours in the cloud is looked for, and whether our projects are Keystone's. `None`:
    /// there is no cloud.
    pub fn survey(&self) -> Option<(Session, bool)> {
        let Inner { service, operator, .. } = &*self.0;
        service.as_ref().map(|session| (session.clone(), true)).or(operator.as_ref().map(|it| (it.clone(), false)))
    }

    /// The session of a grant.
    pub(crate) fn by(&self, grant: &Grant) -> Result<Session, Error> {
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(&grant.id) {
            return Ok(session.clone());
        }
        let session = self.open(grant)?;
        // The worker that takes a grant back forgets its session; the others never hear of that. One that is opened again
        // costs a token.
        if sessions.len() >= SESSIONS {
            sessions.clear();
        }
        sessions.insert(grant.id, session.clone());
        Ok(session)
    }

    fn open(&self, grant: &Grant) -> Result<Session, Error> {
        let service = self.0.service.as_ref();
        let service =
            service.ok_or_else(|| Error::permanent("this worker has no Keystone user to act by ([keystone])"))?;
        let scope = match &grant.by {
            By::Trust { id: Some(id), .. } => Scope::Trust(id.clone()),
            By::Operator => Scope::ProjectId(grant.project.to_string()),
            By::Token(token) => return Ok(service.with(Credentials::Given(token.as_str().into()))),
            By::Trust { id: None, .. } => return Err(Error::permanent("the grant is of no use")),
        };
        service.scoped(scope).ok_or_else(|| {
            Error::permanent("the service's user must be known by a password to act for others (keystone.password)")
        })
    }

    pub(crate) fn forget(&self, grant: &Grant) {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&grant.id);
    }

    /// The operator's session, if the project may use it.
    fn operator(&self, project: &ProjectId) -> Result<Session, Error> {
        let Inner { service, operator, projects, scoped, .. } = &*self.0;
        let session = operator.as_ref().or(service.as_ref());
        let session =
            session.ok_or_else(|| Error::permanent("this worker has no credential for a cloud (openstack.cloud)"))?;
        if !projects.allows(project) {
            return Err(Error::permanent(format!(
                "project {project} may not use this worker's cloud by the operator's credential; the operator allows it \
                 in openstack.projects"
            )));
        }
        if service.is_none() {
            return Ok(session.clone());
        }
        let mut scoped = scoped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = scoped.get(project) {
            return Ok(session.clone());
        }
        let session = session.scoped(Scope::ProjectId(project.to_string())).ok_or_else(|| {
            Error::permanent(
                "the operator's user must be known by a password to act in other projects (openstack.cloud)",
            )
        })?;
        scoped.insert(project.clone(), session.clone());
        Ok(session)
    }

    /// For one step.
    pub(crate) fn of_step(&self, store: &Store, project: &ProjectId, grant: Option<Uuid>) -> Arc<dyn CloudSource> {
        Arc::new(OfStep { clouds: self.clone(), store: store.clone(), project: project.clone(), grant })
    }
}

struct OfStep {
    clouds: Clouds,
    store: Store,
    project: ProjectId,
    grant: Option<Uuid>,
}

#[async_trait]
impl CloudSource for OfStep {
    async fn session(&self) -> Result<Session, Error> {
        let Some(id) = self.grant else { return self.clouds.operator(&self.project) };
        let grant = self.store.grant(&self.project, id).await.map_err(|error| match error.is_transient() {
            true => Error::away(error.to_string()),
            false => Error::permanent(error.to_string()),
        })?;
        let grant = grant.ok_or_else(|| Error::permanent("what the caller gave us to act by is not there any more"))?;
        self.clouds.by(&grant)
    }
}

/// For a step that needs no cloud.
#[derive(Debug, Default)]
pub struct NoCloud;

#[async_trait]
impl CloudSource for NoCloud {
    async fn session(&self) -> Result<Session, Error> {
        Err(Error::permanent("this worker is set up with no cloud ([openstack])"))
    }
}
