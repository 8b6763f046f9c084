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

/// Those who run the service.
const fn admin(name: &'static str) -> Rule {
    Rule { name, default: "rule:context_is_admin" }
}

pub(crate) const BUILD_INFO: Rule = reader("build_info:build_info");
pub(crate) const STACK_INDEX: Rule = reader("stacks:index");
pub(crate) const STACK_DETAIL: Rule = reader("stacks:detail");
pub(crate) const STACK_CREATE: Rule = member("stacks:create");
pub(crate) const STACK_LOOKUP: Rule = reader_or_server("stacks:lookup");
pub(crate) const STACK_SHOW: Rule = reader("stacks:show");
pub(crate) const STACK_UPDATE: Rule = member("stacks:update");
pub(crate) const STACK_UPDATE_PATCH: Rule = member("stacks:update_patch");
/// A PATCH that changes nothing: it has the stack's resources looked at again.
pub(crate) const STACK_UPDATE_NO_CHANGE: Rule = member("stacks:update_no_change");
pub(crate) const STACK_PREVIEW_UPDATE: Rule = member("stacks:preview_update");
pub(crate) const STACK_PREVIEW_UPDATE_PATCH: Rule = member("stacks:preview_update_patch");
pub(crate) const STACK_DELETE: Rule = member("stacks:delete");
pub(crate) const STACK_ABANDON: Rule = member("stacks:abandon");
pub(crate) const STACK_EXPORT: Rule = member("stacks:export");
pub(crate) const STACK_TEMPLATE: Rule = reader("stacks:template");
pub(crate) const STACK_ENVIRONMENT: Rule = reader("stacks:environment");
pub(crate) const STACK_FILES: Rule = reader("stacks:files");
pub(crate) const STACK_PREVIEW: Rule = reader("stacks:preview");
pub(crate) const TEMPLATE_VALIDATE: Rule = member("stacks:validate_template");
pub(crate) const TYPE_INDEX: Rule = reader("stacks:list_resource_types");
pub(crate) const TYPE_SHOW: Rule = reader("stacks:resource_schema");
pub(crate) const TYPE_TEMPLATE: Rule = member("stacks:generate_template");
pub(crate) const VERSION_INDEX: Rule = reader("stacks:list_template_versions");
pub(crate) const FUNCTION_INDEX: Rule = reader("stacks:list_template_functions");
pub(crate) const SERVICE_INDEX: Rule = admin("service:index");
pub(crate) const CONFIG_INDEX: Rule = reader("software_configs:index");
pub(crate) const CONFIG_SHOW: Rule = reader("software_configs:show");
pub(crate) const CONFIG_CREATE: Rule = member("software_configs:create");
pub(crate) const DEPLOYMENT_INDEX: Rule = reader("software_deployments:index");
pub(crate) const DEPLOYMENT_SHOW: Rule = reader("software_deployments:show");
pub(crate) const DEPLOYMENT_CREATE: Rule = member("software_deployments:create");
pub(crate) const OUTPUT_INDEX: Rule = reader("stacks:list_outputs");
pub(crate) const OUTPUT_SHOW: Rule = reader("stacks:show_output");
pub(crate) const ACTION_SUSPEND: Rule = member("actions:suspend");
pub(crate) const ACTION_RESUME: Rule = member("actions:resume");
pub(crate) const ACTION_CHECK: Rule = reader("actions:check");
pub(crate) const ACTION_CANCEL_UPDATE: Rule = member("actions:cancel_update");
pub(crate) const ACTION_CANCEL_WITHOUT_ROLLBACK: Rule = member("actions:cancel_without_rollback");
pub(crate) const EVENT_INDEX: Rule = reader("events:index");
pub(crate) const EVENT_SHOW: Rule = reader("events:show");
pub(crate) const RESOURCE_INDEX: Rule = reader("resource:index");
pub(crate) const RESOURCE_SHOW: Rule = reader("resource:show");
pub(crate) const RESOURCE_METADATA: Rule = reader_or_server("resource:metadata");
pub(crate) const RESOURCE_SIGNAL: Rule = reader_or_server("resource:signal");
pub(crate) const RESOURCE_MARK: Rule = member("resource:mark_unhealthy");
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

/// Rules that no route names, for it is the body of a request that does.
pub(crate) const BY_BODY: [Rule; 5] =
    [STACK_UPDATE_NO_CHANGE, ACTION_RESUME, ACTION_CHECK, ACTION_CANCEL_UPDATE, ACTION_CANCEL_WITHOUT_ROLLBACK];
