//! Heat's error bodies (`fault.rs`).

use serde::Serialize;
use utoipa::ToSchema;

pub(crate) const FAULT: &str = "Fault";
pub(crate) const PAGE: &str = "Page";
pub(crate) const UNAUTHENTICATED: &str = "Unauthenticated";
pub(crate) const NOT_FOUND: &str = "NotFound";
pub(crate) const AWAY: &str = "Away";

/// A refusal in Heat's words.
#[derive(Serialize, ToSchema)]
pub(crate) struct Fault {
    code: u16,
    title: String,
    explanation: String,
    error: FaultDetail,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FaultDetail {
    /// The name of Heat's exception, such as `EntityNotFound`.
    r#type: String,
    traceback: Option<String>,
    /// For a person; absent where it could tell of the inside.
    message: Option<String>,
}

/// What WebOb writes for a status, where JSON is asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page {
    /// With HTML in it.
    message: String,
    /// `404 Not Found`.
    code: String,
    title: String,
}

/// As Keystone's middleware writes it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unauthenticated {
    error: UnauthenticatedDetail,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UnauthenticatedDetail {
    code: u16,
    title: String,
    message: String,
}

/// What is not there, or a path that leads nowhere.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum NotFound {
    Fault(Fault),
    Page(Page),
}

/// The store (a fault), or who knows the callers (a page), does not answer.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Away {
    Fault(Fault),
    Page(Page),
}
