//! One path with its methods: the rule that each needs, what answers it, and how it is documented.
//!
//! HEAD is 405 everywhere (as in Heat), OPTIONS lists the methods, and a method that HTTP does not know makes the path
//! one that leads nowhere.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::http::header::ALLOW;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::Api;
use crate::auth::enforce;
use crate::auth::policy::Rule;
use crate::fault::Fault;
use crate::openapi::Doc;

pub(crate) struct Route {
    /// Below `/v1/{project}`.
    pub(crate) path: String,
    methods: MethodRouter<Arc<Api>, Infallible>,
    /// In the order in which they were named, as Heat lists them.
    pub(crate) named: Vec<Named>,
}

/// A method of a route.
pub(crate) struct Named {
    pub(crate) method: Method,
    pub(crate) rule: Rule,
    /// Every route has one; a test sees to it.
    pub(crate) doc: Option<Doc>,
}

impl Route {
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), methods: MethodRouter::new(), named: Vec::new() }
    }

    pub(crate) fn get<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::GET, Method::GET, rule, handler)
    }

    pub(crate) fn post<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::POST, Method::POST, rule, handler)
    }

    pub(crate) fn put<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::PUT, Method::PUT, rule, handler)
    }

    pub(crate) fn patch<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::PATCH, Method::PATCH, rule, handler)
    }

    pub(crate) fn delete<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::DELETE, Method::DELETE, rule, handler)
    }

    /// Which rule it needs depends on the body: the handler checks it, by [`crate::auth::allowed`]. `rule` is the strictest.
    pub(crate) fn post_by_body<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.unchecked(MethodFilter::POST, Method::POST, rule, handler)
    }

    /// As [`Route::post_by_body`].
    pub(crate) fn patch_by_body<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.unchecked(MethodFilter::PATCH, Method::PATCH, rule, handler)
    }

    /// Documents the method that was named last.
    pub(crate) fn doc(mut self, doc: Doc) -> Self {
        if let Some(last) = self.named.last_mut() {
            last.doc = Some(doc);
        }
        self
    }

    fn method<H: Handler<T, Arc<Api>>, T: 'static>(
        mut self,
        filter: MethodFilter,
        method: Method,
        rule: Rule,
        handler: H,
    ) -> Self {
        self.named.push(Named { method, rule, doc: None });
        let checked = on(filter, handler).layer(from_fn_with_state(rule, enforce));
        Self { methods: self.methods.merge(checked), ..self }
    }

    fn unchecked<H: Handler<T, Arc<Api>>, T: 'static>(
        mut self,
        filter: MethodFilter,
        method: Method,
        rule: Rule,
        handler: H,
    ) -> Self {
        self.named.push(Named { method, rule, doc: None });
        Self { methods: self.methods.merge(on(filter, handler)), ..self }
    }

    /// With an answer for every other method.
    pub(crate) fn ready(self) -> MethodRouter<Arc<Api>, Infallible> {
        let allow: Vec<String> = self.named.iter().map(|named| named.method.to_string()).collect();
        let other = move |request: Request| {
            let answer = other(request.method(), &allow.join(","));
            async move { answer }
        };
        // HEAD would be answered by GET.
        self.methods.on(MethodFilter::HEAD, other.clone()).fallback(other)
    }
}

fn other(method: &Method, allow: &str) -> Response {
    match *method {
        Method::OPTIONS => (StatusCode::NO_CONTENT, [(ALLOW, allow)]).into_response(),
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::TRACE
        | Method::CONNECT => Fault::method(allow).into_response(),
        _ => Fault::not_routed().into_response(),
    }
}
