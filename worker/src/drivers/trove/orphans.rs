//! Backups and half-made instances that carry our mark, for whoever looks for those that no record knows.
//!
//! A backup on which others are built is none of them as long as those are there: Trove would delete them with it.

use std::time::Duration;

use async_trait::async_trait;
use stacksnap_openstack::trove::{Backup, Instance, Trove};
use stacksnap_openstack::{Error as Cloud, Session};

use super::bytes;
use super::marks::{self, Mark as OurMark};
use crate::orphans::{Error, Finder, Listed, Mark, Thing, moment, service};

/// How often a thing that is being deleted is looked at, and how many times.
const PACE: Duration = Duration::from_secs(1);
const LOOKS: u32 = 300;

#[derive(Debug)]
pub struct OfTrove {
    pub session: Session,
    /// Our projects are Keystone's: what lies in another project than its mark says is none of ours.
    pub same_projects: bool,
}

#[async_trait]
impl Finder for OfTrove {
    fn place(&self) -> &'static str {
        "Trove"
    }

    /// Of all projects where the session is an administrator's; else of its own. Where there is no Trove, there is nothing.
    async fn list(&self) -> Result<Listed, Error> {
        let trove = Trove::new(self.session.clone());
        let token = self.session.token().await.map_err(service)?;
        let all = token.has_role("admin");
        let backups = match trove.all_backups(all).await {
            Err(Cloud::NoEndpoint { .. }) => return Ok(Listed::default()),
            answer => answer.map_err(service)?,
        };
        let instances = trove.all_instances(all).await.map_err(service)?;
        let mut listed = Listed::default();
        if !all {
            let own = token.project.map(|project| project.id).unwrap_or_default();
            listed
                .notes
                .push(format!("Trove was searched in project {own} only: its user is no administrator (role admin)"));
        }
        let is_parent = |id: &str| backups.iter().any(|other| other.parent_id.as_deref() == Some(id));
        listed.things.extend(backups.iter().filter(|it| !is_parent(&it.id)).filter_map(|it| self.backup(it)));
        listed.things.extend(instances.iter().filter_map(|it| self.instance(it)));
        Ok(listed)
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let trove = Trove::new(self.session.clone());
        let id = thing.id.as_str();
        if thing.what == "backup" {
            let all = self.session.token().await.map_err(service)?.has_role("admin");
            let backups = trove.all_backups(all).await.map_err(service)?;
            if let Some(other) = backups.iter().find(|other| other.parent_id.as_deref() == Some(id)) {
                return Err(Error::Service(format!("backup {} is built on it by now, and would go with it", other.id)));
            }
            trove.delete_backup(id).await.map_err(service)?;
        } else {
            trove.delete_instance(id).await.map_err(service)?;
        }
        for _ in 0..LOOKS {
            let found = match thing.what.as_str() {
                "backup" => trove.backup(id).await.map(|it| it.status),
                _ => trove.instance(id).await.map(|it| it.status),
            };
            match found {
                Err(error) if error.is_gone() => return Ok(()),
                Err(error) => return Err(service(error)),
                Ok(status) if ["DELETE_FAILED", "ERROR"].contains(&status.as_str()) => {
                    return Err(Error::Service(format!("Trove could not delete it: it is in {status} now")));
                }
                Ok(_) => tokio::time::sleep(PACE).await,
            }
        }
        Err(Error::Service("Trove still deletes it".to_owned()))
    }
}

impl OfTrove {
    /// `None`: not ours.
    fn backup(&self, backup: &Backup) -> Option<(Thing, Mark)> {
        let OurMark { step, project, stack, snapshot, resource } = OurMark::of(backup)?;
        if self.same_projects && backup.project_id.as_deref().is_some_and(|lies_in| lies_in != project.as_str()) {
            return None;
        }
        let thing = Thing {
            what: "backup".to_owned(),
            id: backup.id.clone(),
            project: project.to_string(),
            stack: Some(stack),
            snapshot: Some(snapshot.to_string()),
            resource: Some(resource),
            made_at: moment(&backup.created),
            bytes: bytes(backup.size.unwrap_or_default()),
        };
        Some((thing, Mark::Made { project, snapshot: Some(snapshot), step }))
    }

    fn instance(&self, instance: &Instance) -> Option<(Thing, Mark)> {
        let (step, project, stack, resource) = marks::half_made_of(&instance.name)?;
        if self.same_projects && instance.project.as_deref().is_some_and(|lies_in| lies_in != project.as_str()) {
            return None;
        }
        let thing = Thing {
            what: "instance".to_owned(),
            id: instance.id.clone(),
            project: project.to_string(),
            stack: Some(stack),
            snapshot: None,
            resource: Some(resource),
            made_at: moment(&instance.created),
            bytes: bytes(instance.volume.as_ref().map(|volume| volume.size as f64).unwrap_or_default()),
        };
        Some((thing, Mark::Made { project, snapshot: None, step }))
    }
}
