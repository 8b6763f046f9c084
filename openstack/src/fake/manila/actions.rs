//! What is done to a share: `_revert`, `_extend` and `_shrink` of `manila/api/v2/shares.py`, in the order of their checks.

use axum::http::StatusCode;
use serde_json::Value;

use super::super::wire::{Answer, Given, bad_request, conflict, forbidden, missing};
use super::faults::Ends;
use super::shares::OVER_SIZE;
use super::state::{Next, State};

impl State {
    /// `None`: there is no such action.
    pub(super) fn act(&mut self, id: &str, given: &Given<'_>) -> Option<Answer> {
        let (action, arguments) = given.body.as_object()?.iter().next()?;
        let size = arguments["new_size"].as_u64();
        Some(match action.as_str() {
            "revert" => self.revert(id, arguments["snapshot_id"].as_str().unwrap_or_default(), given),
            "extend" => self.extend(id, size.unwrap_or_default(), given),
            "shrink" => self.shrink(id, size.unwrap_or_default(), given),
            "allow_access" => self.allow(id, given),
            "deny_access" => self.deny(id, given),
            _ => return None,
        })
    }

    fn revert(&mut self, id: &str, of: &str, given: &Given<'_>) -> Answer {
        let nothing = |_| missing(format!("Share {id} could not be found."));
        let share = self.share_of(id, given).map_err(nothing)?.clone();
        let nothing = |_| bad_request(format!("Snapshot {of} could not be found."));
        let snapshot = self.snapshot_of(of, given).map_err(nothing)?.clone();
        if share.soft_deleted {
            return Err(forbidden(format!("Share '{id} cannot revert to snapshot, since it has been soft deleted.")));
        }
        if !share.can.revert {
            return Err(bad_request(format!(
                "Share {id} may not be reverted to snapshot {of}, because the share does not have that capability."
            )));
        }
        if snapshot.share != id {
            return Err(bad_request(format!("Snapshot {of} is not associated with share {id}.")));
        }
        if share.status != "available" {
            return Err(conflict(format!(
                "Share {id} is in '{}' state, but it must be in 'available' state to be reverted to a snapshot.",
                share.status
            )));
        }
        if snapshot.status != "available" {
            return Err(conflict(format!(
                "Snapshot {of} is in '{}' state, but it must be in 'available' state to be restored.",
                snapshot.status
            )));
        }
        if share.is_free().is_err() {
            return Err(conflict(format!("Share {id} may not be reverted while it has an active task.")));
        }
        let all = self.snapshots.values().filter(|it| it.share == id);
        let latest = all.max_by_key(|it| (&it.created, &it.id)).map(|it| it.id.clone()).unwrap_or_default();
        if latest != of {
            return Err(conflict(format!(
                "Snapshot {of} may not be restored because it is not the most recent snapshot of share {id}. Currently the \
                 latest snapshot is {latest}."
            )));
        }
        if share.rules_status() != "active" {
            return Err(conflict(format!(
                "Snapshot {of} belongs to a share {id} which has access rules that are not active."
            )));
        }
        let more = snapshot.size.saturating_sub(share.size);
        if self.used(given.project) + more > self.quota.gigabytes {
            return Err(forbidden(format!(
                "Quota exceeded for {}. Reverting share {id} to snapshot {of} will increase the share's size by {more}G, ({}G \
                 of {}G already consumed).",
                given.project,
                self.used(given.project),
                self.quota.gigabytes
            )));
        }
        let next = |well| Next::Reverted { snapshot: of.to_owned(), well };
        let due = self.due(self.delays.revert, Ends::RevertInError, next(true), next(false));
        let share = self.share_of(id, given)?;
        share.status = "reverting".to_owned();
        share.due = due;
        self.snapshot_of(of, given)?.status = "restoring".to_owned();
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn extend(&mut self, id: &str, size: u64, given: &Given<'_>) -> Answer {
        let share = self.share_of(id, given)?.clone();
        if share.soft_deleted {
            return Err(forbidden(format!("Cannot extend share '{id}' since it has been soft deleted.")));
        }
        if share.status != "available" {
            return Err(bad_request(format!(
                "Invalid share: Share {id} status must be 'available' to extend, but current status is: {}..",
                share.status
            )));
        }
        share.is_free()?;
        if size <= share.size {
            return Err(bad_request(format!(
                "Invalid input received: New size for extend must be greater than current size. (current: {}, extended: \
                 {size})..",
                share.size
            )));
        }
        if self.used(given.project) + size - share.size > self.quota.gigabytes {
            return Err(forbidden(OVER_SIZE));
        }
        let due = self.due(self.delays.size, Ends::SizeInError, Next::Sized(size), Next::NotSized("extending_error"));
        let share = self.share_of(id, given)?;
        share.status = "extending".to_owned();
        share.due = due;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn shrink(&mut self, id: &str, size: u64, given: &Given<'_>) -> Answer {
        let share = self.share_of(id, given)?.clone();
        if share.soft_deleted {
            return Err(forbidden(format!("Cannot shrink share '{id}' since it has been soft deleted.")));
        }
        if !["available", "shrinking_possible_data_loss_error"].contains(&share.status.as_str()) {
            return Err(bad_request(format!(
                "Invalid share: Share {id} status must in (available, shrinking_possible_data_loss_error) to shrink, but \
                 current status is: {}..",
                share.status
            )));
        }
        share.is_free()?;
        if size >= share.size || size == 0 {
            return Err(bad_request(format!(
                "Invalid input received: New size for shrink must be less than current size and greater than 0 (current: {}, \
                 new: {size}).",
                share.size
            )));
        }
        let due = self.due(self.delays.size, Ends::SizeInError, Next::Sized(size), Next::NotSized("shrinking_error"));
        let share = self.share_of(id, given)?;
        share.status = "shrinking".to_owned();
        share.due = due;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }
}
