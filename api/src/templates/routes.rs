//! The routes about templates.

use super::{functions, preview, schema, types, validate, versions};
use crate::auth::policy as rule;
use crate::openapi::schemas::{StackRequest, TemplateRequest};
use crate::openapi::{Doc, Kind};
use crate::routes::Route;

const NO_TYPE: &str = "There is no such type.";

pub(crate) fn routes() -> Vec<Route> {
    let of_type = |path: &str| Route::new(format!("/resource_types/{{type_name}}{path}"));
    vec![
        Route::new("/validate").post(rule::TEMPLATE_VALIDATE, validate::validate).doc(
            Doc::new("validate_template", "Checks a template and describes its parameters")
                .query("show_nested", Kind::Truth, "Taken and without effect: there are no nested stacks.")
                .query("ignore_errors", Kind::Text, "Taken and without effect.")
                .takes::<TemplateRequest>("The template, and its environment.")
                .answers_any(200, "The template's parameters."),
        ),
        Route::new("/stacks/preview").post(rule::STACK_PREVIEW, preview::preview).doc(
            Doc::new("preview_stack", "Tells what a stack would be, and makes none")
                .takes::<StackRequest>("As to create it.")
                .answers_any(200, "The stack as it would be."),
        ),
        Route::new("/resource_types").get(rule::TYPE_INDEX, types::list).doc(
            Doc::new("list_resource_types", "Lists types")
                .query("name", Kind::Text, "A regular expression that the name matches, from its begin on.")
                .query("support_status", Kind::Text, "Heat's word, such as SUPPORTED.")
                .query("version", Kind::Text, "Taken and without effect.")
                .query("with_description", Kind::Truth, "With a description of each.")
                .answers_any(200, "The types, by name."),
        ),
        of_type("").get(rule::TYPE_SHOW, schema::show).doc(
            Doc::new("show_resource_type", "Shows what a type takes and has")
                .query("with_description", Kind::Truth, "With a description.")
                .answers_any(200, "The type's schema.")
                .refuses(404, NO_TYPE),
        ),
        of_type("/template").get(rule::TYPE_TEMPLATE, schema::template).doc(
            Doc::new("show_resource_type_template", "Makes a template with one resource of a type")
                .query("template_type", Kind::OneOf(&["cfn", "hot"]), "Its language; cfn if it is not given.")
                .answers_any(200, "The template.")
                .refuses(404, NO_TYPE),
        ),
        Route::new("/template_versions").get(rule::VERSION_INDEX, versions::list).doc(
            Doc::new("list_template_versions", "Lists the versions of the template language")
                .answers_any(200, "The versions, oldest first."),
        ),
        Route::new("/template_versions/{template_version}/functions").get(rule::FUNCTION_INDEX, functions::list).doc(
            Doc::new("list_template_functions", "Lists the functions of a version")
                .query("with_condition_func", Kind::Truth, "With those that only conditions have.")
                .answers_any(200, "The functions.")
                .refuses(404, "There is no such version."),
        ),
    ]
}
