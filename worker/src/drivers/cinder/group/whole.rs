//! The group's snapshot as a whole: made by the leader, and deleted with all its parts.

use async_trait::async_trait;
use stacksnap_common::ids::StepId;
use stacksnap_openstack::cinder::{GroupSnapshot, NewGroupSnapshot, Snapshot};
use stacksnap_openstack::{Error as Cloud, StatusCode};

use super::of_stage;
use crate::driver::Error;
use crate::drivers::cinder::things::{MAKER, free, is};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::make::{Found, Free, Thing};
use crate::drivers::openstack::marks;

/// What a part of a group's snapshot is after its work.
pub(in super::super) enum Over {
    /// Gone, or another one's to remove.
    Yes,
    NotYet,
    /// It stays, and why.
    Stays(String),
}

/// The part is not needed any more: the last of which that is said takes the whole along.
pub(in super::super) async fn is_done_with(
    calls: &Calls<'_>,
    group_snapshot: &str,
    part: &Snapshot,
) -> Result<Over, Error> {
    if !part.metadata.contains_key(marks::DONE) {
        let mut metadata = part.metadata.clone();
        metadata.insert(marks::DONE.to_owned(), calls.ctx.step.to_string());
        calls.act(calls.cinder.mark_snapshot(&part.id, &metadata)).await?.map_err(call::error)?;
    }
    let Some(whole) = calls.find(calls.cinder.group_snapshot(group_snapshot)).await? else { return Ok(Over::Yes) };
    let parts = parts(calls, group_snapshot).await?;
    if parts.iter().any(|it| !it.metadata.contains_key(marks::DONE)) {
        return Ok(Over::Yes);
    }
    remove(calls, &whole, &parts).await
}

/// A group's snapshot and all its parts, unless one of them is at work.
pub(in super::super) async fn remove_whole(calls: &Calls<'_>, group_snapshot: &str) -> Result<Over, Error> {
    match calls.find(calls.cinder.group_snapshot(group_snapshot)).await? {
        None => Ok(Over::Yes),
        Some(whole) => remove(calls, &whole, &parts(calls, group_snapshot).await?).await,
    }
}

async fn remove(calls: &Calls<'_>, whole: &GroupSnapshot, parts: &[Snapshot]) -> Result<Over, Error> {
    let id = &whole.id;
    match whole.status.as_str() {
        "available" | "error" => {}
        "error_deleting" => return Ok(Over::Stays(format!("Cinder could not delete it ({})", whole.status))),
        _ => return Ok(Over::NotYet),
    }
    if parts.iter().any(|it| !it.status.starts_with("error") && it.status != "available") {
        return Ok(Over::NotYet);
    }
    match calls.act(calls.cinder.delete_group_snapshot(id)).await? {
        Ok(()) => Ok(Over::NotYet),
        // Another step was faster, or one that could not be deleted a moment ago is tried again.
        Err(error) if error.status() == Some(StatusCode::BAD_REQUEST) => Ok(Over::NotYet),
        Err(error) => Err(call::error(error)),
    }
}

async fn parts(calls: &Calls<'_>, group_snapshot: &str) -> Result<Vec<Snapshot>, Error> {
    let mut all = calls.ask(calls.cinder.all_snapshots(false)).await?;
    all.retain(|it| it.group_snapshot_id.as_deref() == Some(group_snapshot));
    Ok(all)
}

/// Those that a step took as a leader, by its name. A Cinder that shows none to us has let us take none.
pub(in super::super) async fn made_by(calls: &Calls<'_>, step: StepId) -> Result<Vec<GroupSnapshot>, Error> {
    let mut found = match calls.ask(calls.cinder.all_group_snapshots(false)).await {
        Err(Error::Permanent(_) | Error::Gone(_)) => return Ok(Vec::new()),
        found => found?,
    };
    found.retain(|it| it.name == marks::name(step));
    Ok(found)
}

pub(super) struct AGroupSnapshot<'a> {
    pub(super) calls: &'a Calls<'a>,
    pub(super) group: &'a str,
}

#[async_trait]
impl Thing for AGroupSnapshot<'_> {
    fn word(&self) -> &'static str {
        "group snapshot"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let found = self.calls.cinder.group_snapshots_of(self.group).await?;
        Ok(found.into_iter().filter(|it| of_stage(it, self.calls.ctx.step)).map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.calls.cinder.group_snapshot(id).await.map(Found::from)
    }

    /// Whatever else is wrong with the group Cinder says itself.
    async fn is_free(&self) -> Result<Free, Cloud> {
        let status = self.calls.cinder.group(self.group).await?.status;
        if ["creating", "updating"].contains(&status.as_str()) {
            return Ok(Free::NotYet(format!("group {} is {status}", self.group)));
        }
        let all = self.calls.cinder.volumes_in(self.group).await?;
        let free = all.iter().map(|it| free(&format!("volume {}", it.id), &it.status, &["available", "in-use"]));
        Ok(free.into_iter().find(|free| *free != Free::Yes).unwrap_or(Free::Yes))
    }

    async fn make(&self) -> Result<String, Cloud> {
        let new = NewGroupSnapshot {
            group_id: self.group.to_owned(),
            name: marks::name(self.calls.ctx.step),
            description: marks::description(self.calls.ctx),
        };
        self.calls.cinder.create_group_snapshot(&new).await
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.calls.cinder.delete_group_snapshot(id).await
    }

    /// A full quota would be as full for one volume after the other; anything else may be the group's fault.
    fn refused(&self, error: Cloud) -> Error {
        match error.status() {
            Some(StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNAUTHORIZED) | None => call::error(error),
            Some(_) => Error::Unsupported(error.to_string()),
        }
    }
}

impl From<GroupSnapshot> for Found {
    fn from(it: GroupSnapshot) -> Self {
        Self { is: is(&it.status), id: it.id, status: it.status, created: it.created_at, why: String::new() }
    }
}
