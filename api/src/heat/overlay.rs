//! Our state over Heat's, in what Heat answers. Pure.

use serde_json::Value;
use stacksnap_common::clock::rfc3339;
use stacksnap_common::heat::Seen;
use stacksnap_common::record::{ResourceShown, Stack};

/// What Heat says of a stack in an answer of its own: the `stack` of a show, a row of a list.
pub(super) fn seen(stack: &Value) -> Seen {
    let text = |key: &str| stack[key].as_str().map(str::to_owned);
    Seen { status: text("stack_status").unwrap_or_default(), updated: text("updated_time"), event: None }
}

/// Whether a stack shows our state: an operation of ours has it, or nothing has happened in Heat since one had it.
pub(super) fn covers(shadow: &Stack, now: &Seen) -> bool {
    // What Heat has deleted is gone, whatever we were doing.
    if now.status == "DELETE_COMPLETE" || shadow.deleted_at.is_some() {
        return false;
    }
    shadow.busy.is_some() || shadow.deleting.is_some() || shadow.heat.as_ref().is_some_and(|heat| heat.covers(now))
}

/// Writes our state into a stack of an answer.
pub(super) fn stack(stack: &mut Value, shadow: &Stack) {
    if !covers(shadow, &seen(stack)) {
        return;
    }
    stack["stack_status"] = shadow.shown.word().into();
    stack["stack_status_reason"] = shadow.shown.reason.clone().into();
    if let Some(updated) = shadow.updated_at.map(rfc3339)
        && stack["updated_time"].as_str().is_none_or(|theirs| theirs < updated.as_str())
    {
        stack["updated_time"] = updated.into();
    }
}

/// Writes our state into a resource of an answer.
pub(super) fn resource(resource: &mut Value, shown: &ResourceShown) {
    resource["resource_status"] = shown.shown.word().into();
    resource["resource_status_reason"] = shown.shown.reason.clone().into();
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use stacksnap_common::heat::{Mirror, Shadow};
    use stacksnap_common::ids::{OperationId, StackId};
    use stacksnap_common::record::{Shown, Status};
    use stacksnap_common::store::Millis;

    use super::*;

    /// A shadow that shows SNAPSHOT_COMPLETE over a stack that Heat calls CREATE_COMPLETE.
    pub(in crate::heat) fn shadow() -> Stack {
        let seen = Seen { status: "CREATE_COMPLETE".to_owned(), updated: None, event: Some("e2".to_owned()) };
        let mirror = Mirror {
            id: StackId::random(),
            name: "s".parse().unwrap(),
            seen: seen.clone(),
            reason: String::new(),
            description: String::new(),
            template: json!({}),
            environment: json!({}),
            files: Default::default(),
            tags: Vec::new(),
            timeout_mins: None,
            disable_rollback: true,
            owner: "me".to_owned(),
            resources: Vec::new(),
        };
        let mut stack: Stack = serde_json::from_value(json!({
            "schema": 1, "id": mirror.id, "project": "p", "name": mirror.name, "description": "",
            "shown": {"action": "SNAPSHOT", "status": "COMPLETE", "reason": "Stack SNAPSHOT completed successfully"},
            "template": {}, "environment": {}, "owner": "me", "resources": [], "created_at": 0,
        }))
        .unwrap();
        stack.updated_at = Some(Millis(1_800_000_000_000));
        stack.heat = Some(Shadow { seen, newer: true });
        stack
    }

    fn theirs(status: &str, updated: Value) -> Value {
        json!({"stack_status": status, "stack_status_reason": "theirs", "updated_time": updated})
    }

    #[test]
    fn ours_is_over_heats_until_heat_moves() {
        let shadow = shadow();
        let mut same = theirs("CREATE_COMPLETE", Value::Null);
        stack(&mut same, &shadow);
        assert_eq!(same["stack_status"], "SNAPSHOT_COMPLETE");
        assert_eq!(same["stack_status_reason"], "Stack SNAPSHOT completed successfully");
        assert_eq!(same["updated_time"], "2027-01-15T08:00:00Z");
        for moved in
            [theirs("UPDATE_IN_PROGRESS", Value::Null), theirs("CREATE_COMPLETE", json!("2026-01-01T00:00:00Z"))]
        {
            let mut shown = moved.clone();
            stack(&mut shown, &shadow);
            assert_eq!(shown, moved);
        }
    }

    #[test]
    fn while_an_operation_has_the_stack_ours_is_shown_whatever_heat_does() {
        let mut shadow = shadow();
        shadow.busy = Some(OperationId::next());
        shadow.shown = Shown::new("RESTORE", Status::InProgress, "Stack RESTORE started");
        let mut moved = theirs("UPDATE_IN_PROGRESS", json!("2030-01-01T00:00:00Z"));
        stack(&mut moved, &shadow);
        assert_eq!(moved["stack_status"], "RESTORE_IN_PROGRESS");
        assert_eq!(moved["updated_time"], "2030-01-01T00:00:00Z");
        let mut gone = theirs("DELETE_COMPLETE", Value::Null);
        stack(&mut gone, &shadow);
        assert_eq!(gone["stack_status"], "DELETE_COMPLETE");
    }
}
