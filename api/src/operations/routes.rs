//! The routes of operations.

use crate::auth::policy as rule;
use crate::openapi::schemas::{OperationList, OperationShown, RestoredFiles};
use crate::openapi::{Doc, Kind};
use crate::operations::{cancel, events, files, list, show};
use crate::routes::Route;

pub(crate) fn routes() -> Vec<Route> {
    let one = |path: &str| Route::new(format!("/operations/{{operation_id}}{path}"));
    vec![
        Route::new("/operations").get(rule::OPERATION_INDEX, list::list).doc(
            Doc::new("list_operations", "Lists operations, newest first")
                .query("stack", Kind::Text, "Only of this stack (id).")
                .query("snapshot", Kind::Text, "Only of this snapshot (id).")
                .query("kind", Kind::Text, "Such as `restore`.")
                .query(
                    "state",
                    Kind::OneOf(&["waiting", "preparing", "running", "complete", "failed", "cancelled"]),
                    "Only in this state.",
                )
                .query("limit", Kind::Number, "Operations of a page; default 100, at most 1,000.")
                .query("marker", Kind::Text, "The id of the last operation of the page before.")
                .answers::<OperationList>(200, "The operations, without their steps."),
        ),
        one("").get(rule::OPERATION_SHOW, show::show).doc(
            steps(Doc::new("show_operation", "Shows an operation with its steps"))
                .answers::<OperationShown>(200, "The operation."),
        ),
        one("/cancel").post(rule::OPERATION_CANCEL, cancel::cancel).doc(
            Doc::new("cancel_operation", "Stops an operation")
                .answers::<OperationShown>(
                    202,
                    "It is stopping; it ends when what it must undo is undone. A restore finishes the resource in hand \
                     and leaves the rest as it is.",
                )
                .changes(),
        ),
        one("/events").get(rule::OPERATION_SHOW, events::events).doc(
            Doc::new("watch_operation", "Follows an operation as server-sent events")
                .answers_events(200, "`operation` and `step`, until the operation has ended.")
                .refuses(429, "Too many streams are open."),
        ),
        one("/files").get(rule::OPERATION_SHOW, files::files).doc(
            steps(Doc::new("list_restored", "Lists what a restore restored and what not"))
                .answers::<RestoredFiles>(200, "By resource."),
        ),
    ]
}

fn steps(doc: Doc) -> Doc {
    doc.query("steps_from", Kind::Number, "The first step to show.").query(
        "steps_limit",
        Kind::Number,
        "Default 1,000.",
    )
}
