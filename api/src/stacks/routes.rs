//! The routes of stacks and their events.

use crate::auth::policy as rule;
use crate::openapi::schemas::{
    Abandoned, ActionRequest, Environment, EventList, EventShown, OutputList, OutputShown, StackList, StackMade,
    StackPatch, StackPreviewed, StackRequest, StackShown, StackUpdate,
};
use crate::openapi::{Doc, Kind};
use crate::routes::Route;
use crate::stacks::{
    abandon, actions, create, delete, environment, events, export, files, list, lookup, outputs, preview_update, show,
    template, update,
};

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
                Doc::new("create_stack", "Makes a stack of what already exists, or adopts one")
                    .takes::<StackRequest>("The stack's name and its template.")
                    .answers::<StackMade>(201, "It is recorded; its creation has begun.")
                    .changes(),
            ),
        Route::new("/stacks/detail").get(rule::STACK_DETAIL, list::detail).doc(
            Doc::new("list_stacks_in_detail", "Lists all stacks; no more is shown of each than in a list")
                .answers::<StackList>(200, "The stacks."),
        ),
        below("")
            .get(rule::STACK_SHOW, show::show)
            .doc(
                Doc::new("show_stack", "Shows a stack, a deleted one too")
                    .query("resolve_outputs", Kind::Truth, "Default true.")
                    .answers::<StackShown>(200, "The stack."),
            )
            .put(rule::STACK_UPDATE, update::put)
            .doc(
                Doc::new("update_stack", "Makes a stack what a template says; what is left out is gone")
                    .takes::<StackUpdate>("The template and all that belongs to it.")
                    .answers_page(202, "It has begun.")
                    .changes(),
            )
            .patch_by_body(rule::STACK_UPDATE_PATCH, update::patch)
            .doc(
                Doc::new("patch_stack", "Changes of a stack what is named, and keeps the rest")
                    .takes::<StackPatch>("What changes.")
                    .answers_page(202, "It has begun.")
                    .changes(),
            )
            .delete(rule::STACK_DELETE, delete::delete)
            .doc(
                Doc::new("delete_stack", "Deletes a stack and all its snapshots")
                    .answers_nothing(204, "It has begun.")
                    .changes(),
            ),
        below("/preview")
            .put(rule::STACK_PREVIEW_UPDATE, preview_update::put)
            .doc(previewing(
                Doc::new("preview_update", "Tells what an update would do").takes::<StackUpdate>("As for an update."),
            ))
            .patch(rule::STACK_PREVIEW_UPDATE_PATCH, preview_update::patch)
            .doc(previewing(
                Doc::new("preview_patch", "Tells what a PATCH would do").takes::<StackPatch>("As for a PATCH."),
            )),
        below("/actions").post_by_body(rule::ACTION_SUSPEND, actions::act).doc(
            Doc::new("act_on_stack", "Suspends, resumes or checks a stack, or cancels its update")
                .takes::<ActionRequest>("One action, as the only key.")
                .answers_any(200, "`null`: it has begun, or there was nothing to do.")
                .changes(),
        ),
        below("/abandon").delete(rule::STACK_ABANDON, abandon::abandon).doc(
            Doc::new("abandon_stack", "Gives a stack up; its snapshots are there again when it is adopted")
                .answers::<Abandoned>(200, "What is needed to adopt it.")
                .changes(),
        ),
        below("/export")
            .get(rule::STACK_EXPORT, export::export)
            .doc(Doc::new("export_stack", "What an abandon would hand out").answers::<Abandoned>(200, "The document.")),
        below("/outputs")
            .get(rule::OUTPUT_INDEX, outputs::list)
            .doc(Doc::new("list_outputs", "Names a stack's outputs").answers::<OutputList>(200, "The outputs.")),
        below("/outputs/{output_key}")
            .get(rule::OUTPUT_SHOW, outputs::show)
            .doc(Doc::new("show_output", "Shows an output with its value").answers::<OutputShown>(200, "The output.")),
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
        below("/resources/{resource_name}/events/{event_id}")
            .get(rule::EVENT_SHOW, events::show)
            .doc(Doc::new("show_event", "Shows one event").answers::<EventShown>(200, "The event.")),
    ];
    routes.extend(lookups());
    routes
}

fn listing(doc: Doc) -> Doc {
    doc.query("limit", Kind::Number, "Stacks of a page.")
        .query("marker", Kind::Text, "The id of the last stack of the page before.")
        .query("sort_dir", Kind::OneOf(&["asc", "desc"]), "Default `asc` with `sort_keys`, else `desc`.")
        .queries(
            "sort_keys",
            Kind::OneOf(&["stack_name", "stack_status", "creation_time", "updated_time"]),
            "Default the time of creation.",
        )
        .query("with_count", Kind::Truth, "Whether to count all.")
        .query("show_deleted", Kind::Truth, "Deleted ones too.")
        .query("show_hidden", Kind::Truth, "Those with a hidden tag too.")
        .query("show_nested", Kind::Truth, "Of no effect: no stack here is nested.")
        .query("tags", Kind::Text, "Only with all of these, separated by commas.")
        .query("tags_any", Kind::Text, "Only with any of these.")
        .query("not_tags", Kind::Text, "Only without all of these.")
        .query("not_tags_any", Kind::Text, "Only without any of these.")
        .query("global_tenant", Kind::Truth, "Refused.")
        .queries("name", Kind::Text, "Only of this name.")
        .queries("id", Kind::Text, "Only of this id.")
        .queries("action", Kind::Text, "Such as `SNAPSHOT`.")
        .queries("status", Kind::Text, "Such as `COMPLETE`, or `SNAPSHOT_COMPLETE`.")
        .queries("tenant", Kind::Text, "Only of this project.")
        .queries("username", Kind::Text, "Only made by this user.")
        .queries("owner_id", Kind::Text, "Only within this stack: none is.")
        .answers::<StackList>(200, "The stacks.")
}

fn previewing(doc: Doc) -> Doc {
    doc.query("show_nested", Kind::Truth, "Of no effect: no stack here is nested.")
        .answers::<StackPreviewed>(200, "The resources, by what would become of them.")
}

fn listing_events(doc: Doc) -> Doc {
    doc.query("limit", Kind::Number, "Events of a page.")
        .query("marker", Kind::Text, "The id of the last event of the page before.")
        .query("sort_dir", Kind::OneOf(&["asc", "desc"]), "By time; default `desc`.")
        .queries("sort_keys", Kind::OneOf(&["event_time", "resource_type"]), "Default the time.")
        .query("nested_depth", Kind::Number, "How deep to go into stacks within.")
        .queries("resource_name", Kind::Text, "Only of this resource.")
        .queries("resource_type", Kind::Text, "Only of this type.")
        .queries("resource_action", Kind::Text, "Such as `SNAPSHOT`.")
        .queries("resource_status", Kind::Text, "Such as `COMPLETE`, or `SNAPSHOT_COMPLETE`.")
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
        below("actions")
            .get(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_actions"))
            .post(rule::STACK_LOOKUP, lookup::below)
            .doc(doc("lookup_actions_to_post")),
        below("environment").get(rule::STACK_LOOKUP, lookup::below).doc(doc("lookup_environment")),
        below("files").get(rule::STACK_LOOKUP, lookup::below).doc(doc("lookup_files")),
    ]
}
