//! Rules: what a route needs. Names and defaults are Heat's (`heat/policies/*.py`, contract section 4); those of routes
//! that Heat has not are of the same style. `rules.rs` puts an operator's policy file on top.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// A check, in the language of `check.rs`.
    pub(crate) default: &'static str,
}

/// Those who may look.
const fn reader(name: &'static str) -> Rule {
    Rule { name, default: "rule:project_reader" }
}

/// Those who may change.
const fn member(name: &'static str) -> Rule {
    Rule { name, default: "rule:project_member" }
}

/// Those who may look, and the users that Heat makes for a stack's servers.
const fn reader_or_server(name: &'static str) -> Rule {
    Rule { name, default: "rule:project_reader or (role:heat_stack_user and project_id:%(project_id)s)" }
}

pub(crate) const BUILD_INFO: Rule = reader("build_info:build_info");
pub(crate) const STACK_INDEX: Rule = reader("stacks:index");
pub(crate) const STACK_CREATE: Rule = member("stacks:create");
pub(crate) const STACK_LOOKUP: Rule = reader_or_server("stacks:lookup");
pub(crate) const STACK_SHOW: Rule = reader("stacks:show");
pub(crate) const STACK_DELETE: Rule = member("stacks:delete");
pub(crate) const STACK_TEMPLATE: Rule = reader("stacks:template");
pub(crate) const STACK_ENVIRONMENT: Rule = reader("stacks:environment");
pub(crate) const STACK_FILES: Rule = reader("stacks:files");
pub(crate) const EVENT_INDEX: Rule = reader("events:index");
pub(crate) const RESOURCE_INDEX: Rule = reader("resource:index");
pub(crate) const RESOURCE_SHOW: Rule = reader("resource:show");
pub(crate) const SNAPSHOT_CREATE: Rule = member("stacks:snapshot");
pub(crate) const SNAPSHOT_INDEX: Rule = reader("stacks:list_snapshots");
pub(crate) const SNAPSHOT_SHOW: Rule = reader("stacks:show_snapshot");
pub(crate) const SNAPSHOT_RESTORE: Rule = member("stacks:restore_snapshot");
pub(crate) const SNAPSHOT_DELETE: Rule = member("stacks:delete_snapshot");
/// A plan and a verification change nothing, but take a worker's time.
pub(crate) const SNAPSHOT_PLAN: Rule = member("stacks:plan_restore");
pub(crate) const SNAPSHOT_VERIFY: Rule = member("stacks:verify_snapshot");
pub(crate) const OPERATION_INDEX: Rule = reader("operations:index");
pub(crate) const OPERATION_SHOW: Rule = reader("operations:show");
pub(crate) const OPERATION_CANCEL: Rule = member("operations:cancel");
