//! What a share is, and what it can take now, in words. Statuses are those of `manila/common/constants.py`.

use stacksnap_openstack::manila::Share;

use crate::driver::Error;
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::Free;

/// What Manila works on by itself and is done with in a while.
const BUSY: [&str; 19] = [
    "creating",
    "creating_from_snapshot",
    "manage_starting",
    "unmanage_starting",
    "extending",
    "shrinking",
    "migrating",
    "migrating_to",
    "server_migrating",
    "server_migrating_to",
    "replication_change",
    "network_change",
    "restoring",
    "reverting",
    "awaiting_transfer",
    "backup_creating",
    "backup_restoring",
    "ensuring",
    "deleting",
];
/// Tasks that are over (`BUSY_TASK_STATES` has the others).
const OVER: [&str; 6] = [
    "migration_success",
    "migration_error",
    "migration_cancelled",
    "migration_cancel_in_progress",
    "data_copying_cancelled",
    "data_copying_error",
];

/// The share itself.
pub(super) async fn target(calls: &Calls<'_>) -> Result<Share, Error> {
    let id = calls.physical_id("share")?;
    let found = calls.find(calls.manila.share(id)).await?;
    found.ok_or_else(|| Error::Gone(format!("there is no share {id} in this project of the cloud")))
}

/// Whether something may be worked on that is good when it is `available`.
pub(super) fn available(what: &str, status: &str) -> Free {
    match status {
        "available" => Free::Yes,
        status if BUSY.contains(&status) => Free::NotYet(format!("{what} is {status}")),
        status => Free::Never(format!("{what} is {status}; it must be available")),
    }
}

/// Whether Manila would take an order for the share.
pub(super) fn free(share: &Share) -> Free {
    let id = &share.id;
    if share.is_soft_deleted {
        return Free::Never(format!(
            "share {id} is in the recycle bin: have it back first (openstack share restore {id})"
        ));
    }
    match (available(&format!("share {id}"), &share.status), &share.task_state) {
        (Free::Yes, Some(task)) if !OVER.contains(&task.as_str()) => {
            Free::NotYet(format!("share {id} is worked on ({task})"))
        }
        (Free::Never(why), _) => Free::Never(format!(
            "{why}. See why (openstack share message list --resource-id {id}); an administrator can set its state (openstack \
             share set --status available {id})"
        )),
        (free, _) => free,
    }
}

/// Why nothing of it is protected.
pub(super) fn no_snapshots(share: &Share) -> String {
    format!("share {} can't be snapshotted: its share type is not one with snapshot_support", share.id)
}
