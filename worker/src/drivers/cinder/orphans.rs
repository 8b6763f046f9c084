//! Backups, snapshots and half-made volumes that carry our mark, for whoever looks for those that no record knows.

use async_trait::async_trait;
use stacksnap_openstack::cinder::{Cinder, Metadata};
use stacksnap_openstack::{Error as Cloud, Session};

use super::GIB;
use crate::drivers::openstack::marks;
use crate::drivers::openstack::orphans::{One, Reach, until_gone};
use crate::orphans::{Error, Finder, Listed, Thing, service};

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
        let found = tokio::try_join!(cinder.all_backups(all), cinder.all_snapshots(all), cinder.all_volumes(all));
        let (backups, snapshots, volumes) = match found {
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
        let things = found.filter_map(|one| one.thing(self.same_projects)).collect();
        Ok(Listed { things, notes: reach.note(self.place()).into_iter().collect() })
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let cinder = Cinder::new(self.session.clone());
        let deleted = match thing.what.as_str() {
            "backup" => cinder.delete_backup(&thing.id).await,
            "snapshot" => cinder.delete_snapshot(&thing.id).await,
            _ => cinder.delete_volume(&thing.id).await,
        };
        deleted.map_err(service)?;
        let cinder = &cinder;
        until_gone(self.place(), move || async move {
            match thing.what.as_str() {
                "backup" => cinder.backup(&thing.id).await.map(|it| Some(it.status)),
                "snapshot" => cinder.snapshot(&thing.id).await.map(|it| Some(it.status)),
                _ => cinder.volume(&thing.id).await.map(|it| Some(it.status)),
            }
        })
        .await
    }
}
