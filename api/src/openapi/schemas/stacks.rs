//! Stacks, their resources and events, in Heat's layout.

use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A new stack, made of what exists already.
#[derive(ToSchema)]
pub(crate) struct StackRequest {
    /// Begins with a letter; `a-z A-Z 0-9 _ - .`, 255 characters at most.
    stack_name: String,
    /// HOT, as an object or as text in YAML or JSON.
    #[schema(value_type = Option<Object>)]
    template: Option<Value>,
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    /// An object, or text in YAML or JSON.
    #[schema(value_type = Option<Object>)]
    environment: Option<Value>,
    /// Names in `files`, in this order: what they hold is the environment, and `environment` is not read.
    environment_files: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    files: Option<Map<String, Value>>,
    timeout_mins: Option<u64>,
    disable_rollback: Option<bool>,
    /// Separated by commas, or a list.
    #[schema(value_type = Option<Object>)]
    tags: Option<Value>,
    /// The document of an abandoned or exported stack, as text: the stack is made of it, and `template` is not read.
    adopt_stack_data: Option<String>,
}

/// What a stack is to be.
#[derive(ToSchema)]
pub(crate) struct StackUpdate {
    /// HOT, as an object or as text in YAML or JSON.
    #[schema(value_type = Object)]
    template: Value,
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    /// An object, or text in YAML or JSON.
    #[schema(value_type = Option<Object>)]
    environment: Option<Value>,
    /// Names in `files`, in this order: what they hold is the environment, and `environment` is not read.
    environment_files: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    files: Option<Map<String, Value>>,
    /// Kept if not given.
    timeout_mins: Option<u64>,
    /// Kept if not given.
    disable_rollback: Option<bool>,
    /// Separated by commas, or a list.
    #[schema(value_type = Option<Object>)]
    tags: Option<Value>,
}

/// What of a stack is to change.
#[derive(ToSchema)]
pub(crate) struct StackPatch {
    /// HOT, as an object or as text in YAML or JSON.
    #[schema(value_type = Option<Object>)]
    template: Option<Value>,
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    /// Names of parameters that go back to their defaults.
    clear_parameters: Option<Vec<String>>,
    /// An object, or text in YAML or JSON.
    #[schema(value_type = Option<Object>)]
    environment: Option<Value>,
    /// Names in `files`, in this order: what they hold is the environment, and `environment` is not read.
    environment_files: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    files: Option<Map<String, Value>>,
    timeout_mins: Option<u64>,
    disable_rollback: Option<bool>,
    /// Separated by commas, or a list.
    #[schema(value_type = Option<Object>)]
    tags: Option<Value>,
}

#[derive(ToSchema)]
pub(crate) struct StackPreviewed {
    resource_changes: ResourceChanges,
}

#[derive(ToSchema)]
pub(crate) struct ResourceChanges {
    #[schema(value_type = Vec<Object>)]
    unchanged: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    updated: Vec<Value>,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    replaced: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    added: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    deleted: Vec<Value>,
}

/// One of these, with any value.
#[derive(ToSchema)]
pub(crate) struct ActionRequest {
    #[schema(value_type = Option<Object>)]
    suspend: Option<Value>,
    #[schema(value_type = Option<Object>)]
    resume: Option<Value>,
    #[schema(value_type = Option<Object>)]
    check: Option<Value>,
    #[schema(value_type = Option<Object>)]
    cancel_update: Option<Value>,
    #[schema(value_type = Option<Object>)]
    cancel_without_rollback: Option<Value>,
}

/// A stack, as it can be adopted. Hidden parameters as `******`.
#[derive(ToSchema)]
pub(crate) struct Abandoned {
    name: String,
    #[schema(format = Uuid)]
    id: String,
    action: String,
    #[schema(value_type = Object)]
    environment: Value,
    #[schema(value_type = Object)]
    files: Map<String, Value>,
    status: String,
    #[schema(value_type = Object)]
    template: Value,
    /// By name.
    #[schema(value_type = Object)]
    resources: Map<String, Value>,
    project_id: String,
    stack_user_project_id: Option<String>,
    tags: Vec<String>,
}

#[derive(ToSchema)]
pub(crate) struct OutputList {
    outputs: Vec<OutputNamed>,
}

#[derive(ToSchema)]
pub(crate) struct OutputNamed {
    output_key: String,
    description: String,
}

#[derive(ToSchema)]
pub(crate) struct OutputShown {
    output: Output,
}

#[derive(ToSchema)]
pub(crate) struct MetadataShown {
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

#[derive(ToSchema)]
pub(crate) struct MarkRequest {
    mark_unhealthy: bool,
    resource_status_reason: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct EventShown {
    event: EventInDetail,
}

#[derive(ToSchema)]
pub(crate) struct EventInDetail {
    #[schema(format = Uuid)]
    id: String,
    links: Vec<Link>,
    event_time: String,
    logical_resource_id: String,
    resource_name: String,
    physical_resource_id: String,
    resource_status: String,
    resource_status_reason: String,
    resource_type: String,
    /// Always empty: they would hold the values of hidden parameters.
    #[schema(value_type = Object)]
    resource_properties: Map<String, Value>,
}

#[derive(ToSchema)]
pub(crate) struct Link {
    href: String,
    rel: String,
}

#[derive(ToSchema)]
pub(crate) struct StackMade {
    stack: StackReference,
}

#[derive(ToSchema)]
pub(crate) struct StackReference {
    #[schema(format = Uuid)]
    id: String,
    links: Vec<Link>,
}

#[derive(ToSchema)]
pub(crate) struct StackShown {
    stack: Stack,
}

#[derive(ToSchema)]
pub(crate) struct Stack {
    stack_name: String,
    #[schema(format = Uuid)]
    id: String,
    links: Vec<Link>,
    creation_time: String,
    updated_time: Option<String>,
    deletion_time: Option<String>,
    notification_topics: Vec<String>,
    /// As text; hidden ones as `******`.
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    description: String,
    template_description: String,
    capabilities: Vec<String>,
    disable_rollback: bool,
    timeout_mins: Option<u64>,
    stack_owner: String,
    parent: Option<String>,
    stack_user_project_id: Option<String>,
    tags: Vec<String>,
    /// Action and status, such as `SNAPSHOT_IN_PROGRESS`.
    stack_status: String,
    stack_status_reason: String,
    outputs: Option<Vec<Output>>,
}

#[derive(ToSchema)]
pub(crate) struct Output {
    output_key: String,
    description: String,
    /// Any JSON.
    output_value: Option<Value>,
    /// Why there is no value.
    output_error: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct StackList {
    stacks: Vec<StackListed>,
    /// The next page, where `limit` cut this one.
    links: Option<Vec<Link>>,
    /// Of all pages; with `with_count=true`.
    count: Option<u64>,
}

#[derive(ToSchema)]
pub(crate) struct StackListed {
    #[schema(format = Uuid)]
    id: String,
    links: Vec<Link>,
    stack_name: String,
    description: String,
    stack_status: String,
    stack_status_reason: String,
    creation_time: String,
    updated_time: Option<String>,
    deletion_time: Option<String>,
    stack_owner: String,
    parent: Option<String>,
    stack_user_project_id: Option<String>,
    tags: Option<Vec<String>>,
}

/// Hidden parameters as `******`.
#[derive(ToSchema)]
pub(crate) struct Environment {
    #[schema(value_type = Object)]
    resource_registry: Map<String, Value>,
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    #[schema(value_type = Object)]
    parameter_defaults: Map<String, Value>,
    event_sinks: Vec<Value>,
    encrypted_param_names: Vec<String>,
}

#[derive(ToSchema)]
pub(crate) struct ResourceList {
    resources: Vec<Resource>,
}

#[derive(ToSchema)]
pub(crate) struct ResourceShown {
    resource: Resource,
}

#[derive(ToSchema)]
pub(crate) struct Resource {
    updated_time: String,
    creation_time: String,
    logical_resource_id: String,
    resource_name: String,
    /// Empty if it has none.
    physical_resource_id: String,
    resource_status: String,
    resource_status_reason: String,
    resource_type: String,
    links: Vec<Link>,
    required_by: Vec<String>,
    /// In `show`, and in a list with `with_detail`.
    description: Option<String>,
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
    /// Whose workers can reach it.
    pool: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct EventList {
    events: Vec<Event>,
}

#[derive(ToSchema)]
pub(crate) struct Event {
    #[schema(format = Uuid)]
    id: String,
    links: Vec<Link>,
    event_time: String,
    logical_resource_id: String,
    /// The stack's own events bear its name.
    resource_name: String,
    physical_resource_id: String,
    resource_status: String,
    resource_status_reason: String,
}

#[derive(ToSchema)]
pub(crate) struct BuildInfo {
    api: Revision,
    engine: Revision,
}

#[derive(ToSchema)]
pub(crate) struct Revision {
    revision: String,
}
