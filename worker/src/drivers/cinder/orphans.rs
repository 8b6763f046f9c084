//! Backups, snapshots and half-made volumes that carry our mark, for whoever looks for those that no record knows. A group's
//! snapshot has no metadata: our name tells the step, and its parts tell the rest. They go with it.

use async_trait::async_trait;
use stacksnap_openstack::cinder::{Cinder, GroupSnapshot, Metadata, Snapshot};
use stacksnap_openstack::{Error as Cloud, Session};

use super::{GIB, TYPE};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::orphans::{One, Reach, until_gone};
use crate::orphans::{Error, Finder, Listed, Mark, Thing, moment, service};

const GROUP: &str = "group snapshot";

#[derive(Debug)]
pub struct OfCinder {
    pub session: Session,
    /// Our projects are Keystone's: what lies in another project than its mark says is none of ours.
    pub same_projects: bool,
}

#[async_trait]
impl Finder for OfCinder {
    fn place(&self) -> &'static str {
        "Cinder"
    }

    /// Of all projects where the session is an administrator's; else of its own.
    async fn list(&self) -> Result<Listed, Error> {
        let cinder = Cinder::new(self.session.clone());
        let reach = Reach::of(&self.session).await?;
        let all = matches!(reach, Reach::Everywhere);
        let groups = async {
            match cinder.all_group_snapshots(all).await {
                // One that shows none to us has let us take none.
                Err(Cloud::Answered(_)) => Ok(Vec::new()),
                found => found,
            }
        };
        let found =
            tokio::try_join!(cinder.all_backups(all), groups, cinder.all_snapshots(all), cinder.all_volumes(all));
        let (backups, groups, snapshots, volumes) = match found {
            // A cloud without volumes: no volume of it was ever protected.
            Err(Cloud::NoEndpoint { .. }) => return Ok(Listed::default()),
            found => found.map_err(service)?,
        };
        // A backup that is condemned waits for those that are built on it.
        let waits = |metadata: &Metadata, dependents: bool| metadata.contains_key(marks::CONDEMNED) && dependents;
        let backups = backups.into_iter().filter(|it| !waits(&it.metadata, it.has_dependent_backups)).map(|it| One {
            what: "backup",
            id: it.id,
            metadata: it.metadata,
            created_at: it.created_at,
            bytes: it.size * GIB,
            lies_in: it.project,
        });
        let (parts, snapshots): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(|it| it.group_snapshot_id.is_some());
        let groups = groups.into_iter().filter_map(|it| group(it, &parts));
        let snapshots = snapshots.into_iter().map(|it| One {
            what: "snapshot",
            id: it.id,
            metadata: it.metadata,
            created_at: it.created_at,
            bytes: it.size * GIB,
            lies_in: it.project,
        });
        let volumes = volumes.into_iter().map(|it| One {
            what: "volume",
            id: it.id,
            metadata: it.metadata,
            created_at: it.created_at,
            bytes: it.size * GIB,
            lies_in: it.project,
        });
        let found = backups.chain(snapshots).chain(volumes);
        let things = found.filter_map(|one| one.thing(self.same_projects)).chain(groups).collect();
        Ok(Listed { things, notes: reach.note(self.place()).into_iter().collect() })
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let cinder = Cinder::new(self.session.clone());
        let deleted = match thing.what.as_str() {
            "backup" => cinder.delete_backup(&thing.id).await,
            "snapshot" => cinder.delete_snapshot(&thing.id).await,
            GROUP => cinder.delete_group_snapshot(&thing.id).await,
            _ => cinder.delete_volume(&thing.id).await,
        };
        deleted.map_err(service)?;
        let cinder = &cinder;
        until_gone(self.place(), move || async move {
            match thing.what.as_str() {
                "backup" => cinder.backup(&thing.id).await.map(|it| Some(it.status)),
                "snapshot" => cinder.snapshot(&thing.id).await.map(|it| Some(it.status)),
                GROUP => cinder.group_snapshot(&thing.id).await.map(|it| Some(it.status)),
                _ => cinder.volume(&thing.id).await.map(|it| Some(it.status)),
            }
        })
        .await
    }
}

/// One that a step has taken. `all`: parts of any.
fn group(it: GroupSnapshot, all: &[Snapshot]) -> Option<(Thing, Mark)> {
    let step = marks::step(&it.name)?;
    let parts: Vec<_> = all.iter().filter(|part| part.group_snapshot_id.as_ref() == Some(&it.id)).collect();
    let mark = |name: &str| parts.iter().find_map(|part| part.metadata.get(name).cloned());
    let thing = Thing {
        project: mark(marks::PROJECT)
            .or_else(|| parts.iter().find_map(|part| part.project.clone()))
            .unwrap_or_default(),
        stack: mark(marks::STACK),
        snapshot: mark(marks::SNAPSHOT),
        resource: None,
        made_at: moment(&it.created_at),
        bytes: parts.iter().map(|part| part.size * GIB).sum(),
        what: GROUP.to_owned(),
        id: it.id,
    };
    Some((thing, Mark::Step { step, kind: TYPE }))
}
