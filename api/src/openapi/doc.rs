//! How a route says what it is: what it takes, and what it answers beside the answers that every route has.

use axum::http::Method;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Required, ResponseBuilder, Schema};

use super::schemas;
use crate::auth::policy::Rule;

/// What is said of a method of a route.
pub(crate) struct Doc {
    id: &'static str,
    summary: &'static str,
    query: Vec<Query>,
    headers: Vec<(&'static str, &'static str)>,
    body: Body,
    answers: Vec<Answer>,
    faults: Vec<(u16, &'static str)>,
    change: bool,
    /// Schemas that answers and bodies name.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

struct Query {
    name: &'static str,
    kind: Kind,
    text: &'static str,
    many: bool,
}

/// What a parameter of a query is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// Whole and not negative.
    Number,
    Truth,
    OneOf(&'static [&'static str]),
}

enum Body {
    None,
    Optional(&'static str),
    Required(&'static str),
}

struct Answer {
    status: u16,
    text: &'static str,
    content: Content,
    location: bool,
}

enum Content {
    None,
    Json(String),
    /// Whatever the stack holds: an object without a schema of ours.
    Any,
    /// WebOb's page, as `Accept` asks.
    Page,
    Events,
}

impl Doc {
    /// `id` is unique; `summary` says what it does in a few words.
    pub(crate) fn new(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::None,
            answers: Vec::new(),
            faults: Vec::new(),
            change: false,
            schemas: Vec::new(),
        }
    }

    pub(crate) fn query(mut self, name: &'static str, kind: Kind, text: &'static str) -> Self {
        self.query.push(Query { name, kind, text, many: false });
        self
    }

    /// A parameter that may come more than once.
    pub(crate) fn queries(mut self, name: &'static str, kind: Kind, text: &'static str) -> Self {
        self.query.push(Query { name, kind, text, many: true });
        self
    }

    pub(crate) fn header(mut self, name: &'static str, text: &'static str) -> Self {
        self.headers.push((name, text));
        self
    }

    /// A JSON object without which the request is refused.
    pub(crate) fn takes<T: ToSchema>(mut self, text: &'static str) -> Self {
        self.add::<T>();
        self.body = Body::Required(text);
        self.body_schema::<T>()
    }

    pub(crate) fn may_take<T: ToSchema>(mut self, text: &'static str) -> Self {
        self.add::<T>();
        self.body = Body::Optional(text);
        self.body_schema::<T>()
    }

    fn body_schema<T: ToSchema>(mut self) -> Self {
        // The body's schema is the first of all.
        let name = T::name().into_owned();
        if let Some(at) = self.schemas.iter().position(|(own, _)| *own == name) {
            self.schemas.swap(0, at);
        }
        self
    }

    pub(crate) fn answers<T: ToSchema>(mut self, status: u16, text: &'static str) -> Self {
        self.add::<T>();
        self.answer(status, text, Content::Json(T::name().into_owned()), status == 201)
    }

    pub(crate) fn answers_nothing(self, status: u16, text: &'static str) -> Self {
        self.answer(status, text, Content::None, false)
    }

    pub(crate) fn answers_any(self, status: u16, text: &'static str) -> Self {
        self.answer(status, text, Content::Any, false)
    }

    pub(crate) fn answers_page(self, status: u16, text: &'static str) -> Self {
        self.answer(status, text, Content::Page, status == 302)
    }

    pub(crate) fn answers_events(self, status: u16, text: &'static str) -> Self {
        self.answer(status, text, Content::Events, false)
    }

    fn answer(mut self, status: u16, text: &'static str, content: Content, location: bool) -> Self {
        self.answers.push(Answer { status, text, content, location });
        self
    }

    /// A refusal that not every route has.
    pub(crate) fn refuses(mut self, status: u16, text: &'static str) -> Self {
        self.faults.push((status, text));
        self
    }

    /// It changes something: it takes an `Idempotency-Key` and names its operation.
    pub(crate) fn changes(mut self) -> Self {
        self.change = true;
        self
    }

    fn add<T: ToSchema>(&mut self) {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        for (name, schema) in schemas {
            if !self.schemas.iter().any(|(own, _)| *own == name) {
                self.schemas.push((name, schema));
            }
        }
    }

    /// The whole, with what every route takes and answers.
    pub(super) fn operation(&self, path: &str, method: &Method, rule: Rule, tag: &str) -> Operation {
        let mut operation = OperationBuilder::new()
            .operation_id(Some(self.id))
            .summary(Some(self.summary))
            .description(Some(format!("Needs the rule `{}`.", rule.name)))
            .tag(tag)
            .security(SecurityRequirement::new::<_, _, String>("token", []));
        for name in names(path) {
            operation = operation.parameter(
                ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .description(Some(path_text(name)))
                    .schema(Some(Object::with_type(Type::String))),
            );
        }
        for query in &self.query {
            operation = operation.parameter(query.parameter());
        }
        let key = (
            "Idempotency-Key",
            "1 to 255 visible ASCII characters. The same change sent again with the same key gets the first answer again.",
        );
        for (name, text) in self.headers.iter().chain(self.change.then_some(&key)) {
            operation = operation.parameter(
                ParameterBuilder::new()
                    .name(*name)
                    .parameter_in(ParameterIn::Header)
                    .description(Some(*text))
                    .schema(Some(Object::with_type(Type::String))),
            );
        }
        if let (Body::Required(text) | Body::Optional(text), Some((name, _))) = (&self.body, self.schemas.first()) {
            let required = if matches!(self.body, Body::Required(_)) { Required::True } else { Required::False };
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
            let body = RequestBodyBuilder::new().description(Some(*text)).required(Some(required));
            operation = operation.request_body(Some(body.content("application/json", content).build()));
        }
        for answer in &self.answers {
            operation = operation.response(answer.status.to_string(), self.response(answer));
        }
        for (status, response) in self.faults(path, method, rule) {
            operation = operation.response(status.to_string(), response);
        }
        operation.build()
    }

    fn response(&self, answer: &Answer) -> ResponseBuilder {
        let mut response = ResponseBuilder::new().description(answer.text);
        let json = |schema: RefOr<Schema>| ContentBuilder::new().schema(Some(schema)).build();
        let text = |kind| ObjectBuilder::new().schema_type(kind).build();
        response = match &answer.content {
            Content::None => response,
            Content::Json(name) => response.content("application/json", json(Ref::from_schema_name(name).into())),
            Content::Any => response.content("application/json", json(RefOr::T(utoipa::openapi::schema::empty()))),
            Content::Page => page(response),
            Content::Events => {
                response.content("text/event-stream", ContentBuilder::new().schema(Some(text(Type::String))).build())
            }
        };
        let header = |text: &str| {
            HeaderBuilder::new().schema(Some(Object::with_type(Type::String))).description(Some(text)).build()
        };
        if answer.location {
            response = response.header("Location", header("Where it is."));
        }
        if self.change {
            response = response.header("X-Stacksnap-Operation", header("The operation that the change began."));
        }
        response
    }

    /// Refusals, those of every route among them.
    fn faults(&self, path: &str, _: &Method, rule: Rule) -> Vec<(u16, ResponseBuilder)> {
        let mut all = vec![
            (
                400,
                "The request is malformed: its body (or one where none is taken), its query, or a value in them."
                    .to_owned(),
            ),
            (403, format!("The caller may not act in this project, or lacks the role for `{}`.", rule.name)),
            (500, "An error that should not be.".to_owned()),
        ];
        if path.contains('}') {
            all.push((404, "What the path names is not there.".to_owned()));
        }
        if self.change {
            all.push((409, "What it would change is busy.".to_owned()));
            all.push((422, "The Idempotency-Key was used for another request.".to_owned()));
            all.push((
                429,
                "Too much of this project is in progress; `Retry-After` says when to try again.".to_owned(),
            ));
        }
        for (status, text) in &self.faults {
            all.retain(|(other, _)| other != status);
            all.push((*status, (*text).to_owned()));
        }
        let fault = || ContentBuilder::new().schema(Some(Ref::from_schema_name(schemas::FAULT))).build();
        let mut responses: Vec<_> = all
            .into_iter()
            .map(|(status, text)| {
                let response = ResponseBuilder::new().description(text).content("application/json", fault());
                (status, if status == 404 { not_routed(response) } else { xml(status, response) })
            })
            .collect();
        let unauthenticated =
            ContentBuilder::new().schema(Some(Ref::from_schema_name(schemas::UNAUTHENTICATED))).build();
        responses.push((
            401,
            ResponseBuilder::new()
                .description("No token, or one that is not valid.")
                .content("application/json", unauthenticated),
        ));
        let away = ContentBuilder::new().schema(Some(Ref::from_schema_name(schemas::AWAY))).build();
        responses.push((
            503,
            texts(ResponseBuilder::new().description("The store, or who knows the callers, does not answer now."))
                .content("application/json", away),
        ));
        responses
    }
}

impl Query {
    fn parameter(&self) -> ParameterBuilder {
        let schema = match self.kind {
            Kind::Text => ObjectBuilder::new().schema_type(Type::String),
            Kind::Number => ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)),
            Kind::Truth => ObjectBuilder::new().schema_type(Type::Boolean),
            Kind::OneOf(values) => {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values.iter().copied()))
            }
        };
        let parameter =
            ParameterBuilder::new().name(self.name).parameter_in(ParameterIn::Query).description(Some(self.text));
        match self.many {
            false => parameter.schema(Some(schema)),
            true => parameter.schema(Some(utoipa::openapi::schema::ArrayBuilder::new().items(schema))),
        }
    }
}

fn page(response: ResponseBuilder) -> ResponseBuilder {
    let json = ContentBuilder::new().schema(Some(Ref::from_schema_name(schemas::PAGE))).build();
    texts(response).content("application/json", json)
}

fn texts(mut response: ResponseBuilder) -> ResponseBuilder {
    for kind in ["text/html", "text/plain"] {
        let text = ContentBuilder::new().schema(Some(Object::with_type(Type::String))).build();
        response = response.content(kind, text);
    }
    response
}

/// 404 may also be that of a path that leads nowhere.
fn not_routed(response: ResponseBuilder) -> ResponseBuilder {
    let either = ContentBuilder::new().schema(Some(Ref::from_schema_name(schemas::NOT_FOUND))).build();
    texts(response).content("application/json", either)
}

/// A body in XML is refused in XML.
fn xml(status: u16, response: ResponseBuilder) -> ResponseBuilder {
    if status != 400 {
        return response;
    }
    let text = ContentBuilder::new().schema(Some(Object::with_type(Type::String))).build();
    response.content("application/xml", text)
}

/// The parameters in a path, in their order.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn path_text(name: &str) -> &'static str {
    match name {
        "project" => "The project (tenant): 1 to 64 characters of `a-z A-Z 0-9 _ - .`.",
        "stack_name" => "The stack's name; together with its id, unless the path has only one of them.",
        "stack_id" => "The stack's id, a UUID.",
        "snapshot_id" => "The snapshot's id, a UUID.",
        "resource_name" => "The resource's name in the stack.",
        "operation_id" => "The operation's id, a UUID.",
        _ => "As it is named in the list that it is from.",
    }
}
