//! Backups, snapshots and half-made volumes that carry our mark, for whoever looks for those that no record knows.

use std::time::Duration;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_openstack::Session;
use stacksnap_openstack::cinder::{Cinder, Metadata};

use super::GIB;
use crate::drivers::openstack::marks;
use crate::orphans::{Error, Finder, Listed, Mark, Thing, moment, service};

/// How often a thing that is being deleted is looked at, and how many times.
const PACE: Duration = Duration::from_secs(1);
const LOOKS: u32 = 120;

#[derive(Debug)]
pub struct OfCinder {
    pub session: Session,
    /// Our projects are Keystone's: what lies in another project than its mark says is none of ours.
    pub same_projects: bool,
}

/// What the three have in common.
struct One<'a> {
    what: &'a str,
    id: String,
    metadata: Metadata,
    created_at: String,
    size: u64,
    /// Where it lies, if Cinder says so.
    lies_in: Option<String>,
}

#[async_trait]
impl Finder for OfCinder {
    fn place(&self) -> &'static str {
        "Cinder"
    }

    /// Of all projects where the session is an administrator's; else of its own.
    async fn list(&self) -> Result<Listed, Error> {
        let cinder = Cinder::new(self.session.clone());
        let token = self.session.token().await.map_err(service)?;
        let all = token.has_role("admin");
        let mut listed = Listed::default();
        if !all {
            let project = token.project.map(|project| project.id).unwrap_or_default();
            listed.notes.push(format!(
                "Cinder was searched in project {project} only: its user is no administrator (role admin)"
            ));
        }
        let (backups, snapshots, volumes) =
            tokio::try_join!(cinder.all_backups(all), cinder.all_snapshots(all), cinder.all_volumes(all))
                .map_err(service)?;
        // A backup that is condemned waits for those that are built on it.
        let waits = |metadata: &Metadata, dependents: bool| metadata.contains_key(marks::CONDEMNED) && dependents;
        let backups = backups.into_iter().filter(|it| !waits(&it.metadata, it.has_dependent_backups)).map(|it| One {
            what: "backup",
            id: it.id,
            metadata: it.metadata,
            created_at: it.created_at,
            size: it.size,
            lies_in: it.project,
        });
        let snapshots = snapshots.into_iter().map(|it| One {
            what: "snapshot",
            id: it.id,
            metadata: it.metadata,
            created_at: it.created_at,
            size: it.size,
            lies_in: it.project,
        });
        let volumes = volumes.into_iter().map(|it| One {
            what: "volume",
            id: it.id,
            metadata: it.metadata,
            created_at: it.created_at,
            size: it.size,
            lies_in: it.project,
        });
        listed.things = backups.chain(snapshots).chain(volumes).filter_map(|one| self.thing(one)).collect();
        Ok(listed)
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let cinder = Cinder::new(self.session.clone());
        let deleted = match thing.what.as_str() {
            "backup" => cinder.delete_backup(&thing.id).await,
            "snapshot" => cinder.delete_snapshot(&thing.id).await,
            _ => cinder.delete_volume(&thing.id).await,
        };
        deleted.map_err(service)?;
        for _ in 0..LOOKS {
            let found = match thing.what.as_str() {
                "backup" => cinder.backup(&thing.id).await.map(|it| it.status),
                "snapshot" => cinder.snapshot(&thing.id).await.map(|it| it.status),
                _ => cinder.volume(&thing.id).await.map(|it| it.status),
            };
            match found {
                Err(error) if error.is_gone() => return Ok(()),
                Err(error) => return Err(service(error)),
                Ok(status) if status.starts_with("error") => {
                    return Err(Error::Service(format!("Cinder could not delete it: it is {status} now")));
                }
                Ok(_) => tokio::time::sleep(PACE).await,
            }
        }
        Err(Error::Service("Cinder still deletes it".to_owned()))
    }
}

impl OfCinder {
    /// `None`: not ours.
    fn thing(&self, one: One<'_>) -> Option<(Thing, Mark)> {
        let mark = |name: &str| one.metadata.get(name).cloned();
        let step: StepId = mark(marks::STEP)?.parse().ok()?;
        let project: ProjectId = mark(marks::PROJECT)?.parse().ok()?;
        if self.same_projects && one.lies_in.as_deref().is_some_and(|lies_in| lies_in != project.as_str()) {
            return None;
        }
        let snapshot = mark(marks::SNAPSHOT);
        let thing = Thing {
            what: one.what.to_owned(),
            id: one.id,
            project: project.to_string(),
            stack: mark(marks::STACK),
            snapshot: snapshot.clone(),
            resource: mark(marks::RESOURCE),
            made_at: moment(&one.created_at),
            bytes: one.size * GIB,
        };
        Some((thing, Mark::Made { project, snapshot: snapshot.and_then(|id| id.parse().ok()), step }))
    }
}
