//! Heat mode's routes: those that are ours or that we write into, and for all the rest one that leads to Heat.

use std::convert::Infallible;
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get};

use super::{adopt, delete, events, foreign, forward, list, resources, show};
use crate::Api;
use crate::auth::enforce;
use crate::auth::policy as rule;

const STACK: &str = "/stacks/{stack_name}/{stack_id}";

type Route = (String, MethodRouter<Arc<Api>, Infallible>);

/// `ours`: the routes of snapshots and operations, as registry mode has them.
pub(crate) fn routes(api: &Arc<Api>, ours: Vec<Route>) -> Vec<Route> {
    let mut routes: Vec<Route> = ours
        .into_iter()
        .map(|(path, methods)| {
            let methods = match path.as_str() {
                path if path.contains("/snapshots/{snapshot_id}") => {
                    methods.layer(from_fn_with_state(Arc::clone(api), foreign::one))
                }
                path if path.ends_with("/snapshots") => {
                    methods.layer(from_fn_with_state(Arc::clone(api), foreign::list))
                }
                _ => methods,
            };
            (path, methods)
        })
        .collect();
    let deletes = axum::routing::delete(delete::delete).layer(from_fn_with_state(rule::STACK_DELETE, enforce));
    let of_stack = |below: &str| format!("{STACK}{below}");
    routes.extend([
        ("/stacks".to_owned(), read(get(list::list).post(adopt::create))),
        ("/stacks/detail".to_owned(), read(get(list::list))),
        (of_stack(""), read(get(show::show).merge(deletes))),
        (of_stack("/events"), read(get(events::events))),
        (of_stack("/resources"), read(get(resources::list))),
        (of_stack("/resources/{resource_name}"), read(get(resources::show))),
        (of_stack("/resources/{resource_name}/events"), read(get(events::events))),
        (String::new(), any(forward::forward)),
        ("/{*rest}".to_owned(), any(forward::forward)),
    ]);
    routes
}

/// What we answer is GET; any other method is Heat's, HEAD too.
fn read(methods: MethodRouter<Arc<Api>, Infallible>) -> MethodRouter<Arc<Api>, Infallible> {
    methods.head(forward::forward).fallback(forward::forward)
}
