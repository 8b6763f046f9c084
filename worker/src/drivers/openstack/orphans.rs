//! What the finders of a cloud's orphans do alike: our mark on a thing read, and its removal waited for.

use std::time::Duration;

use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_openstack::cinder::Metadata;
use stacksnap_openstack::{Error as Cloud, Session};

use super::marks;
use crate::orphans::{Error, Mark, Thing, moment, service};

/// How often a thing that is being deleted is looked at, and how many times.
const PACE: Duration = Duration::from_secs(1);
const LOOKS: u32 = 120;

/// Something that may carry our mark.
pub(crate) struct One {
    pub(crate) what: &'static str,
    pub(crate) id: String,
    /// What is hung on it, where our mark is.
    pub(crate) metadata: Metadata,
    /// UTC, as services write it.
    pub(crate) created_at: String,
    pub(crate) bytes: u64,
    /// The project that it lies in, if the service says so.
    pub(crate) lies_in: Option<String>,
}

impl One {
    /// `None`: not ours. `same_projects`: our projects are Keystone's, so what lies in another project than its mark says
    /// is none of ours.
    pub(crate) fn thing(self, same_projects: bool) -> Option<(Thing, Mark)> {
        let mark = |name: &str| self.metadata.get(name).cloned();
        let step: StepId = mark(marks::STEP)?.parse().ok()?;
        let project: ProjectId = mark(marks::PROJECT)?.parse().ok()?;
        if same_projects && self.lies_in.as_deref().is_some_and(|lies_in| lies_in != project.as_str()) {
            return None;
        }
        let snapshot = mark(marks::SNAPSHOT);
        let thing = Thing {
            project: project.to_string(),
            stack: mark(marks::STACK),
            snapshot: snapshot.clone(),
            resource: mark(marks::RESOURCE),
            made_at: moment(&self.created_at),
            bytes: self.bytes,
            what: self.what.to_owned(),
            id: self.id,
        };
        Some((thing, Mark::Made { project, snapshot: snapshot.and_then(|id| id.parse().ok()), step }))
    }
}

/// Whether all projects are searched, which is an administrator's right; else the session's own, by its id.
pub(crate) enum Reach {
    Everywhere,
    Own(String),
}

impl Reach {
    pub(crate) async fn of(session: &Session) -> Result<Self, Error> {
        let token = session.token().await.map_err(service)?;
        Ok(match token.has_role("admin") {
            true => Self::Everywhere,
            false => Self::Own(token.project.map(|project| project.id).unwrap_or_default()),
        })
    }

    /// Where `place` was not searched, in words.
    pub(crate) fn note(&self, place: &str) -> Option<String> {
        let Self::Own(project) = self else { return None };
        Some(format!("{place} was searched in project {project} only: its user is no administrator (role admin)"))
    }
}

/// Waits until something is gone whose delete was begun. `status`: what it is now; `None` is as good as gone.
pub(crate) async fn until_gone<F>(place: &str, status: impl Fn() -> F) -> Result<(), Error>
where
    F: Future<Output = Result<Option<String>, Cloud>>,
{
    for _ in 0..LOOKS {
        match status().await {
            Ok(None) => return Ok(()),
            Err(error) if error.is_gone() => return Ok(()),
            Err(error) => return Err(service(error)),
            Ok(Some(status)) if status.to_ascii_lowercase().starts_with("error") => {
                return Err(Error::Service(format!("{place} could not delete it: it is {status} now")));
            }
            Ok(Some(_)) => tokio::time::sleep(PACE).await,
        }
    }
    Err(Error::Service(format!("{place} still deletes it")))
}
