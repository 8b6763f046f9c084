//! The two things that are made: a backup of an instance, and an instance from a backup.

use async_trait::async_trait;
use stacksnap_openstack::trove::{Backup, Instance, NewBackup, NewInstance, Trove};
use stacksnap_openstack::{Error as Cloud, StatusCode};

use super::calls;
use super::marks::{self, Mark};
use crate::driver::{Ctx, Error};
use crate::drivers::openstack::make::{Found, Free, Is, Thing};
use crate::drivers::openstack::marks::name;

const MAKER: &str = "Trove";

/// What Trove works on by itself and is done with in a while (`trove/instance/models.py`, `InstanceStatus`).
const BUSY: [&str; 9] = ["BUILD", "REBOOT", "RESIZE", "BACKUP", "PROMOTE", "EJECT", "UPGRADE", "DETACH", "LOGGING"];
/// In which it makes a backup (`validate_can_perform_action`).
const GOOD: [&str; 3] = ["ACTIVE", "HEALTHY", "RESTART_REQUIRED"];

/// Whether a backup of it can be made.
pub(super) fn free(instance: &Instance) -> Free {
    let (id, status) = (&instance.id, instance.status.as_str());
    if GOOD.contains(&status) {
        return Free::Yes;
    }
    if status == "BACKUP" {
        return Free::NotYet(format!("another backup of instance {id} is being made (BACKUP)"));
    }
    if BUSY.contains(&status) {
        return Free::NotYet(format!("instance {id} is in {status}"));
    }
    let fault = instance.fault.as_ref().map(|fault| format!(": {}", fault.message)).unwrap_or_default();
    Free::Never(format!("instance {id} is in {status}{fault}; Trove makes backups of one that is ACTIVE"))
}

pub(super) struct ABackup<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) trove: &'a Trove,
    pub(super) instance: &'a str,
    /// Incremental on this one.
    pub(super) parent: Option<&'a str>,
}

/// Named as the step's until it is finished.
pub(super) struct AnInstance<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) trove: &'a Trove,
    pub(super) new: NewInstance,
}

#[async_trait]
impl Thing for ABackup<'_> {
    fn word(&self) -> &'static str {
        "backup"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let (name, found) = (name(self.ctx.step), self.trove.backups_of(self.instance).await?);
        Ok(found.into_iter().filter(|it| it.name == name && Mark::of(it).is_some()).map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.trove.backup(id).await.map(Found::from)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        self.trove.instance(self.instance).await.map(|instance| free(&instance))
    }

    async fn make(&self) -> Result<String, Cloud> {
        let new = NewBackup {
            name: name(self.ctx.step),
            description: marks::description(self.ctx),
            instance: self.instance.to_owned(),
            parent_id: self.parent.map(str::to_owned),
        };
        self.trove.create_backup(&new).await.map(|made| made.id)
    }

    /// Somebody may have built one on it: that would be deleted too.
    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        let others = self.trove.backups_of(self.instance).await?;
        if others.iter().any(|other| other.parent_id.as_deref() == Some(id)) {
            tracing::warn!(backup = id, "another backup is built on one that is not needed any more; it stays");
            return Ok(());
        }
        self.trove.delete_backup(id).await
    }

    fn is_busy(&self, error: &Cloud) -> bool {
        calls::is_busy(error)
    }

    fn refused(&self, error: Cloud) -> Error {
        calls::refused(error)
    }
}

#[async_trait]
impl Thing for AnInstance<'_> {
    fn word(&self) -> &'static str {
        "instance"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let found = self.trove.instances_named(&marks::half_made(self.ctx)).await?;
        Ok(found.into_iter().map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.trove.instance(id).await.map(Found::from)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        Ok(Free::Yes)
    }

    async fn make(&self) -> Result<String, Cloud> {
        self.trove.create_instance(&self.new).await.map(|made| made.id)
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.trove.delete_instance(id).await
    }

    fn is_busy(&self, error: &Cloud) -> bool {
        calls::is_busy(error)
    }

    fn refused(&self, error: Cloud) -> Error {
        match error.status() {
            // A backup that is not whole, or whose object is not what it was.
            Some(StatusCode::CONFLICT) => Error::permanent(error.to_string()),
            // Of the backup, its object, the flavor or the network: the words say which.
            Some(StatusCode::NOT_FOUND) => Error::permanent(format!("{error}; no instance can be made as it was")),
            Some(StatusCode::FORBIDDEN) => Error::permanent(error.to_string()),
            _ => calls::refused(error),
        }
    }
}

impl From<Backup> for Found {
    fn from(it: Backup) -> Self {
        let is = match it.status.as_str() {
            "COMPLETED" => Is::There,
            "NEW" | "BUILDING" | "SAVING" => Is::Coming,
            "DELETE_FAILED" => Is::Stuck,
            _ => Is::Failed,
        };
        Self { id: it.id, status: it.status, is, created: it.created, why: String::new() }
    }
}

impl From<Instance> for Found {
    fn from(it: Instance) -> Self {
        let is = match it.status.as_str() {
            status if GOOD.contains(&status) => Is::There,
            "ERROR" | "FAILED" => Is::Failed,
            "SHUTDOWN" => Is::Leaving,
            _ => Is::Coming,
        };
        let why = it.fault.map(|fault| fault.message).unwrap_or_default();
        Self { id: it.id, status: it.status, is, created: it.created, why }
    }
}
