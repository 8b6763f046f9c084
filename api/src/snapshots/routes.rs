//! The routes of snapshots: Heat's five operations, then ours.

use crate::auth::policy as rule;
use crate::openapi::schemas::{
    ChosenResources, OperationShown, RestoreRequest, Snapshot, SnapshotList, SnapshotRequest, SnapshotShown,
};
use crate::openapi::{Doc, Kind};
use crate::routes::Route;
use crate::snapshots::{create, delete, list, plan, restore, show, verify};
use crate::stacks::routes::STACK;

pub(crate) fn routes() -> Vec<Route> {
    let below = |path: &str| Route::new(format!("{STACK}/snapshots{path}"));
    vec![
        below("")
            .post(rule::SNAPSHOT_CREATE, create::create)
            .doc(
                Doc::new("create_snapshot", "Takes a snapshot of a stack")
                    .takes::<SnapshotRequest>("May be empty.")
                    .answers::<Snapshot>(200, "It is recorded; the stack shows SNAPSHOT_IN_PROGRESS.")
                    .changes(),
            )
            .get(rule::SNAPSHOT_INDEX, list::list)
            .doc(listing(Doc::new("list_snapshots", "Lists a stack's snapshots, oldest first"))),
        below("/{snapshot_id}")
            .get(rule::SNAPSHOT_SHOW, show::show)
            .doc(Doc::new("show_snapshot", "Shows a snapshot").answers::<SnapshotShown>(200, "The snapshot."))
            .delete(rule::SNAPSHOT_DELETE, delete::delete)
            .doc(
                Doc::new("delete_snapshot", "Deletes a snapshot")
                    .answers_nothing(204, "It has begun; the snapshot is shown until it is gone.")
                    .changes(),
            ),
        below("/{snapshot_id}/restore").post(rule::SNAPSHOT_RESTORE, restore::restore).doc(
            chosen(Doc::new("restore_snapshot", "Restores a stack, or chosen resources of it"))
                .query("safety", Kind::Truth, "Whether to take a safety snapshot first.")
                .header("X-Stacksnap-Safety", "The same.")
                .may_take::<RestoreRequest>("Heat takes none.")
                .answers_page(202, "It has begun; the stack shows RESTORE_IN_PROGRESS.")
                .changes(),
        ),
        below("/{snapshot_id}/plan")
            .post(rule::SNAPSHOT_PLAN, plan::plan)
            .doc(looking(Doc::new("plan_restore", "Finds out what a restore would do, without doing it"))),
        below("/{snapshot_id}/verify")
            .post(rule::SNAPSHOT_VERIFY, verify::verify)
            .doc(looking(Doc::new("verify_snapshot", "Reads back what a snapshot holds and compares"))),
    ]
}

fn listing(doc: Doc) -> Doc {
    doc.query("limit", Kind::Number, "Snapshots of a page.")
        .query("marker", Kind::Text, "The id of the last snapshot of the page before.")
        .query("sort_dir", Kind::OneOf(&["asc", "desc"]), "By time of creation; default `asc`.")
        .query("status", Kind::OneOf(&["IN_PROGRESS", "COMPLETE", "FAILED"]), "Only of this status.")
        .query("with_data", Kind::Truth, "Whether to show `data`; default true.")
        .query(
            "kind",
            Kind::OneOf(&["user", "safety", "scheduled", "all"]),
            "Default `user`, as Heat's clients see it.",
        )
        .query("show_hidden", Kind::Truth, "The same as `kind=all`.")
        .answers::<SnapshotList>(200, "The snapshots.")
}

fn chosen(doc: Doc) -> Doc {
    doc.queries("resource", Kind::Text, "Only this resource.")
}

fn looking(doc: Doc) -> Doc {
    chosen(doc)
        .may_take::<ChosenResources>("Which resources.")
        .answers::<OperationShown>(202, "It has begun; the operation has what was found when it has ended.")
        .changes()
}
