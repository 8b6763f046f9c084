//! Snapshots and shares that carry our mark, for whoever looks for those that no record knows.

use std::time::Duration;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_openstack::manila::{Manila, Metadata};
use stacksnap_openstack::{Error as Cloud, Session};

use super::{GIB, marks as ours};
use crate::drivers::openstack::marks;
use crate::orphans::{Error, Finder, Listed, Mark, Thing, moment, service};

/// How often a thing that is being deleted is looked at, and how many times.
const PACE: Duration = Duration::from_secs(1);
const LOOKS: u32 = 120;

#[derive(Debug)]
pub struct OfManila {
    pub session: Session,
    /// Our projects are Keystone's: what lies in another project than its mark says is none of ours.
    pub same_projects: bool,
}

/// What the two have in common.
struct One<'a> {
    what: &'a str,
    id: String,
    marks: Metadata,
    created_at: String,
    size: u64,
    lies_in: Option<String>,
}

#[async_trait]
impl Finder for OfManila {
    fn place(&self) -> &'static str {
        "Manila"
    }

    /// Of all projects where the session is an administrator's; else of its own. A cloud without Manila has none.
    async fn list(&self) -> Result<Listed, Error> {
        let manila = Manila::new(self.session.clone());
        let token = self.session.token().await.map_err(service)?;
        let all = token.has_role("admin");
        let found = tokio::try_join!(manila.all_snapshots(all), manila.all_shares(all));
        let (snapshots, shares) = match found {
            Err(Cloud::NoEndpoint { .. }) => return Ok(Listed::default()),
            found => found.map_err(service)?,
        };
        let mut listed = Listed::default();
        if !all {
            let project = token.project.map(|project| project.id).unwrap_or_default();
            listed.notes.push(format!(
                "Manila was searched in project {project} only: its user is no administrator (role admin)"
            ));
        }
        let snapshots = snapshots.into_iter().filter_map(|it| {
            let marks = ours::of_snapshot(&it)?;
            Some(One {
                what: "share snapshot",
                id: it.id,
                marks,
                created_at: it.created_at,
                size: it.size,
                lies_in: it.project,
            })
        });
        let shares = shares.into_iter().filter_map(|it| {
            let marks = ours::of_share(&it)?.clone();
            Some(One { what: "share", id: it.id, marks, created_at: it.created_at, size: it.size, lies_in: it.project })
        });
        // A share goes only after its snapshots.
        listed.things = snapshots.chain(shares).filter_map(|one| self.thing(one)).collect();
        Ok(listed)
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let manila = Manila::new(self.session.clone());
        let is_share = thing.what == "share";
        let deleted = match is_share {
            true => manila.delete_share(&thing.id).await,
            false => manila.delete_snapshot(&thing.id).await,
        };
        deleted.map_err(service)?;
        for _ in 0..LOOKS {
            let found = match is_share {
                true => manila.share(&thing.id).await.map(|it| it.status),
                false => manila.snapshot(&thing.id).await.map(|it| it.status),
            };
            match found {
                Err(error) if error.is_gone() => return Ok(()),
                Err(error) => return Err(service(error)),
                Ok(status) if status.starts_with("error") => {
                    return Err(Error::Service(format!("Manila could not delete it: it is {status} now")));
                }
                Ok(_) => tokio::time::sleep(PACE).await,
            }
        }
        Err(Error::Service("Manila still deletes it".to_owned()))
    }
}

impl OfManila {
    /// `None`: not ours.
    fn thing(&self, one: One<'_>) -> Option<(Thing, Mark)> {
        let mark = |name: &str| one.marks.get(name).cloned();
        let step: StepId = mark(marks::STEP)?.parse().ok()?;
        let project: ProjectId = mark(marks::PROJECT)?.parse().ok()?;
        if self.same_projects && one.lies_in.as_deref().is_some_and(|lies_in| lies_in != project.as_str()) {
            return None;
        }
        let snapshot = mark(marks::SNAPSHOT);
        let thing = Thing {
            what: one.what.to_owned(),
            project: project.to_string(),
            stack: mark(marks::STACK),
            snapshot: snapshot.clone(),
            resource: mark(marks::RESOURCE),
            made_at: moment(&one.created_at),
            bytes: one.size * GIB,
            id: one.id,
        };
        Some((thing, Mark::Made { project, snapshot: snapshot.and_then(|id| id.parse().ok()), step }))
    }
}
