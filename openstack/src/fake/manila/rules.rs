//! Access rules: `manila/api/v2/share_accesses.py` lists them, `_allow_access` and `_deny_access` of
//! `manila/api/v2/shares.py` make them come and go.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, bad_request, forbidden, missing, text};
use super::faults::Ends;
use super::state::{Next, Rule, Share, State};

/// `TRANSITIONAL_STATUSES` of `manila/common/constants.py`, as far as they come about here, and `error`.
const NO_RULES: [&str; 7] =
    ["creating", "creating_from_snapshot", "deleting", "extending", "shrinking", "reverting", "error"];
const NOT_NOW: &str = "New access rules cannot be applied while the share or any of its replicas or migration copies lacks a \
     valid host or is in an invalid state.";
const NOT_DENIED: &str = "Access rules cannot be denied while the share, any of its replicas or migration copies lacks a valid \
     host or is in an invalid state.";

impl State {
    pub(super) fn list_rules(&mut self, given: &Given<'_>) -> Answer {
        let Some(of) = given.query.get("share_id") else {
            return Err(bad_request("The field 'share_id' has to be specified."));
        };
        let share = self.share_of(of, given).map_err(|_| bad_request(format!("Share {of} not found.")))?;
        let rules: Vec<_> = share.rules.iter().map(Rule::view).collect();
        Ok((StatusCode::OK, json!({ "access_list": rules })))
    }

    pub(super) fn allow(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let new = &given.body["allow_access"];
        let share = self.share_of(id, given)?;
        if share.soft_deleted {
            return Err(forbidden(format!("Cannot allow access for share '{id}' since it has been soft deleted.")));
        }
        let (kind, to) = (text(&new["access_type"]), text(&new["access_to"]));
        let (Some(kind), Some(to)) = (kind, to) else {
            return Err(bad_request("Invalid input for field/attribute allow_access."));
        };
        if share.rules.iter().any(|rule| rule.kind == kind && rule.to == to) {
            return Err(bad_request(format!("Share access {kind}:{to} exists.")));
        }
        if NO_RULES.contains(&share.status.as_str()) {
            return Err(bad_request(NOT_NOW));
        }
        let level = text(&new["access_level"]).unwrap_or_else(|| "rw".to_owned());
        let rule = self.put_rule(id, &kind, &to, &level);
        let due = self.due(self.delays.rule, Ends::RuleInError, Next::Made, Next::Failed);
        let share = self.share_of(id, given)?;
        let rule = share.rules.iter_mut().find(|it| it.id == rule).unwrap();
        rule.state = "queued_to_apply".to_owned();
        rule.due = due;
        Ok((StatusCode::OK, json!({"access": rule.view()})))
    }

    pub(super) fn deny(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let of = given.body["deny_access"]["access_id"].as_str().unwrap_or_default();
        let after = self.delays.rule;
        let share = self.share_of(id, given)?;
        if share.soft_deleted {
            return Err(forbidden(format!("Cannot deny access for share '{id}' since it has been soft deleted.")));
        }
        let bad = NO_RULES.contains(&share.status.as_str());
        let Some(rule) = share.rules.iter_mut().find(|rule| rule.id == of) else {
            return Err(missing("Resource could not be found."));
        };
        if bad {
            return Err(bad_request(NOT_DENIED));
        }
        rule.state = "queued_to_deny".to_owned();
        rule.due = Some((std::time::Instant::now() + after, Next::Deleted));
        Ok((StatusCode::ACCEPTED, Value::Null))
    }
}

impl Share {
    pub(super) fn rules_status(&self) -> &'static str {
        let any = |wanted: &dyn Fn(&str) -> bool| self.rules.iter().any(|rule| wanted(&rule.state));
        match () {
            () if any(&|state| state == "error") => "error",
            () if any(&|state| state != "active") => "syncing",
            () => "active",
        }
    }
}

impl Rule {
    /// `manila/api/views/share_accesses.py`
    fn view(&self) -> Value {
        let to = if self.hidden { "******" } else { &self.to };
        json!({"id": self.id, "access_type": self.kind, "access_to": to, "access_level": self.level, "state": self.state,
            "access_key": null, "created_at": self.created, "updated_at": null, "metadata": {}})
    }
}
