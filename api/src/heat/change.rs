//! Which requests change a stack of Heat's: those take a hold before they go to Heat, and are refused (409) while an
//! operation of ours has the stack.
//!
//! Signals and metadata are none: they come from a stack's own servers, whatever we do with the stack, and a restore may
//! wait for one. Neither is a preview, nor what does not belong to one stack.

use axum::http::Method;

/// A change of one stack, as its path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) stack_id: String,
}

/// `None`: nothing that changes a stack.
pub(super) fn of(method: &Method, path: &str) -> Option<Change> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return None;
    }
    let mut parts = path.split('/').skip(3);
    let (Some("stacks"), Some(_name), Some(stack_id)) = (parts.next(), parts.next(), parts.next()) else { return None };
    let below: Vec<_> = parts.collect();
    let changes = match below.as_slice() {
        // Of the stack itself: update, delete. Snapshots that Heat makes or restores by itself are changes too.
        [] | ["actions" | "abandon"] | ["snapshots", ..] => true,
        // A resource is marked as unhealthy.
        ["resources", _] => true,
        _ => false,
    };
    changes.then(|| Change { stack_id: stack_id.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c3aefb78-bea1-4714-8fe0-99e17bb64d3a";

    #[test]
    fn changes_are_told_from_the_rest() {
        let changes = |method: Method, below: &str| of(&method, &format!("/v1/p/stacks/{below}")).is_some();
        for (method, below) in [
            (Method::PUT, format!("s/{ID}")),
            (Method::PATCH, format!("s/{ID}")),
            (Method::DELETE, format!("s/{ID}")),
            (Method::POST, format!("s/{ID}/actions")),
            (Method::DELETE, format!("s/{ID}/abandon")),
            (Method::PATCH, format!("s/{ID}/resources/r")),
            (Method::POST, format!("s/{ID}/snapshots/x/restore")),
        ] {
            assert!(changes(method.clone(), &below), "{method} {below}");
        }
        for (method, below) in [
            (Method::GET, format!("s/{ID}")),
            (Method::POST, "preview".to_owned()),
            (Method::PUT, format!("s/{ID}/preview")),
            (Method::POST, format!("s/{ID}/resources/r/signal")),
            (Method::DELETE, "s".to_owned()),
            (Method::POST, String::new()),
        ] {
            assert!(!changes(method.clone(), &below), "{method} {below}");
        }
        assert_eq!(of(&Method::POST, "/v1/p/software_configs/a"), None);
        assert_eq!(
            of(&Method::PUT, &format!("/v1/p/stacks/s/{}", ID.to_uppercase())).map(|c| c.stack_id),
            Some(ID.to_owned())
        );
    }
}
