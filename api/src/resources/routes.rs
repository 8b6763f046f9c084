//! The routes of resources.

use crate::auth::policy as rule;
use crate::openapi::schemas::{MarkRequest, MetadataShown, ResourceList, ResourceShown};
use crate::openapi::{Doc, Kind};
use crate::resources::{list, mark, metadata, show, signal};
use crate::routes::Route;
use crate::stacks::routes::STACK;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::new(format!("{STACK}/resources")).get(rule::RESOURCE_INDEX, list::list).doc(
            Doc::new("list_resources", "Lists a stack's resources; an unknown key in the query is refused")
                .query("with_detail", Kind::Truth, "As `show` has them.")
                .query("nested_depth", Kind::Number, "How deep to go into stacks within.")
                .queries("name", Kind::Text, "Only of this name.")
                .queries("type", Kind::Text, "Only of this type.")
                .queries("action", Kind::Text, "Such as `SNAPSHOT`.")
                .queries("status", Kind::Text, "Such as `COMPLETE`.")
                .queries("id", Kind::Text, "Only of this name.")
                .queries("physical_resource_id", Kind::Text, "Only what stands for this.")
                .answers::<ResourceList>(200, "The resources."),
        ),
        Route::new(format!("{STACK}/resources/{{resource_name}}"))
            .get(rule::RESOURCE_SHOW, show::show)
            .doc(Doc::new("show_resource", "Shows a resource").answers::<ResourceShown>(200, "The resource."))
            .patch(rule::RESOURCE_MARK, mark::mark)
            .doc(
                Doc::new("mark_resource", "Marks a resource as unhealthy, or as healthy again")
                    .takes::<MarkRequest>("Which, and why.")
                    .answers_any(200, "`null`.")
                    .refuses(409, "Something runs on the stack."),
            ),
        Route::new(format!("{STACK}/resources/{{resource_name}}/metadata"))
            .get(rule::RESOURCE_METADATA, metadata::metadata)
            .doc(
                Doc::new("show_metadata", "Shows a resource's metadata").answers::<MetadataShown>(200, "The metadata."),
            ),
        Route::new(format!("{STACK}/resources/{{resource_name}}/signal"))
            .post(rule::RESOURCE_SIGNAL, signal::signal)
            .doc(Doc::new("signal_resource", "Refused: no type that this service knows takes signals")),
    ]
}
