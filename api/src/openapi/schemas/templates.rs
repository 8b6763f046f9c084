//! What is asked about templates.

use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A template to be looked at.
#[derive(ToSchema)]
pub(crate) struct TemplateRequest {
    /// HOT, as an object or as text in YAML or JSON.
    #[schema(value_type = Option<Object>)]
    template: Option<Value>,
    /// An object, or text in YAML or JSON.
    #[schema(value_type = Option<Object>)]
    environment: Option<Value>,
    /// Names in `files`, in this order: what they hold is the environment, and `environment` is not read.
    environment_files: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    files: Option<Map<String, Value>>,
}
