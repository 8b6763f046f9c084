//! The routes of stacks and their events.

use crate::auth::policy as rule;
use crate::openapi::schemas::{Environment, EventList, StackList, StackMade, StackRequest, StackShown};
use crate::openapi::{Doc, Kind};
use crate::routes::Route;
use crate::stacks::{create, delete, environment, events, files, list, lookup, show, template};

/// A stack by name and id together.
pub(crate) const STACK: &str = "/stacks/{stack_name}/{stack_id}";

pub(crate) fn routes() -> Vec<Route> {
    let below = |path: &str| Route::new(format!("{STACK}{path}"));
    let mut routes = vec![
        Route::new("/stacks")
            .get(rule::STACK_INDEX, list::list)
            .doc(listing(Doc::new("list_stacks", "Lists stacks")))
            .post(rule::STACK_CREATE, create::create)
            .doc(
                Doc::new("create_stack", "Makes a stack of what already exists")
                    .takes::<StackRequest>("The stack's name and its template.")
                    .answers::<StackMade>(201, "It is recorded; its creation has begun.")
                    .changes(),
            ),
        below("")
            .get(rule::STACK_SHOW, show::show)
            .doc(
                Doc::new("show_stack", "Shows a stack, a deleted one too")
                    .query("resolve_outputs", Kind::Truth, "Default true.")
                    .answers::<StackShown>(200, "The stack."),
            )
            .delete(rule::STACK_DELETE, delete::delete)
            .doc(
                Doc::new("delete_stack", "Deletes a stack and all its snapshots")
                    .answers_nothing(204, "It has begun.")
                    .changes(),
            ),
        below("/template")
            .get(rule::STACK_TEMPLATE, template::template)
            .doc(Doc::new("show_template", "Shows the template as it was given").answers_any(200, "The template.")),
        below("/environment")
            .get(rule::STACK_ENVIRONMENT, environment::environment)
            .doc(Doc::new("show_environment", "Shows the environment").answers::<Environment>(200, "The environment.")),
        below("/files")
            .get(rule::STACK_FILES, files::files)
            .doc(Doc::new("show_files", "Shows the files").answers_any(200, "The files, by name.")),
        below("/events")
            .get(rule::EVENT_INDEX, events::events)
            .doc(listing_events(Doc::new("list_events", "Lists what happened to a stack"))),
        below("/resources/{resource_name}/events")
            .get(rule::EVENT_INDEX, events::of_resource)
            .doc(listing_events(Doc::new("list_resource_events", "Lists what happened to a resource"))),
    ];
    routes.extend(lookups());
    routes
}

fn listing(doc: Doc) -> Doc {
    doc.query("limit", Kind::Number, "Stacks of a page.")
        .query("marker", Kind::Text, "The id of the last stack of the page before.")
        .query("sort_dir", Kind::OneOf(&["asc", "desc"]), "By time of creation; default `desc`.")
        .query("with_count", Kind::Truth, "Whether to count all.")
        .query("show_deleted", Kind::Truth, "Deleted ones too.")
        .query("global_tenant", Kind::Truth, "Refused.")
        .queries("name", Kind::Text, "Only of this name.")
        .queries("id", Kind::Text, "Only of this id.")
        .queries("action", Kind::Text, "Such as `SNAPSHOT`.")
        .queries("status", Kind::Text, "Such as `COMPLETE`, or `SNAPSHOT_COMPLETE`.")
        .answers::<StackList>(200, "The stacks.")
}

fn listing_events(doc: Doc) -> Doc {
    doc.query("limit", Kind::Number, "Events of a page.")
        .query("marker", Kind::Text, "The id of the last event of the page before.")
        .query("sort_dir", Kind::OneOf(&["asc", "desc"]), "By time; default `desc`.")
        .query("resource_name", Kind::Text, "Only of this resource.")
        .query("resource_action", Kind::Text, "Such as `SNAPSHOT`.")
        .query("resource_status", Kind::Text, "Such as `COMPLETE`, or `SNAPSHOT_COMPLETE`.")
        .answers::<EventList>(200, "The events.")
}

/// A stack by its name or its id alone: redirects to both. Snapshots are not among what is below it, in Heat neither.
fn lookups() -> Vec<Route> {
    let doc = |id| Doc::new(id, "Finds a stack by its name or its id").answers_page(302, "Where the stack is.");
    let below = |path: &str| Route::new(format!("/stacks/{{stack_name}}/{path}"));
    vec![
        Route::new("/stacks/{stack_name}")
            .get(rule::STACK_LOOKUP, lookup::stack)
            .doc(doc("lookup_stack"))
            .post(rule::STACK_LOOKUP, lookup::stack)
            .doc(doc("lookup_stack_to_post"))
            .put(rule::STACK_LOOKUP, lookup::stack)
            .doc(doc("lookup_stack_to_put"))
            .patch(rule::STACK_LOOKUP, lookup::stack)
            .doc(doc("lookup_stack_to_patch"))
            .delete(rule::STACK_LOOKUP, lookup::stack)
            .doc(doc("lookup_stack_to_delete")),
        below("resources")
            .get(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_resources"))
            .post(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_resources_to_post")),
        below("events")
            .get(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_events"))
            .post(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_events_to_post")),
        below("template")
            .get(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_template"))
            .post(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_template_to_post")),
        below("environment").get(rule::STACK_LOOKUP, lookup::below).doc(doc("lookup_environment")),
        below("files").get(rule::STACK_LOOKUP, lookup::below).doc(doc("lookup_files")),
    ]
}
