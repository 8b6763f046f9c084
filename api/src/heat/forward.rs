//! What is Heat's goes to Heat as it is: method, path, query, headers and body, with the caller's own token; the answer
//! comes back the same way. Both bodies are streamed. A change of a stack goes under a hold; see `change.rs`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::Heat;
use super::ask::{Coming, end_to_end, replace_in, root};
use super::change::{self, Change};
use super::urls::Urls;
use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;
use crate::{Api, body};

/// Up to so many bytes an answer is read before it is sent on, so that it has a length as Heat's has.
const SHORT: usize = 1 << 20;

/// What is sent on of one request's body, in bytes. Heat's own limit is 1 MiB unless it is set up otherwise.
const LONGEST: u64 = 64 << 20;

pub(super) async fn forward(State(api): State<Arc<Api>>, caller: Caller, request: Request) -> Result<Response, Fault> {
    let heat = api.heat()?;
    match change::of(request.method(), request.uri().path()) {
        None => passed(&api, &heat, request).await,
        // A caller who goes away must not leave a hold behind that is not over yet: this goes on to its end.
        Some(change) => {
            let going = tokio::spawn(async move { under_hold(&api, &heat, &caller, change, request).await });
            going.await.map_err(|_| Fault::internal())?
        }
    }
}

async fn under_hold(
    api: &Api,
    heat: &Heat,
    caller: &Caller,
    change: Change,
    request: Request,
) -> Result<Response, Fault> {
    // One that can't be a stack's id is none: Heat says so.
    let Ok(stack) = change.stack_id.parse() else { return passed(api, heat, request).await };
    let hold = api.store.hold(&caller.project, stack, heat.longest_hold()).await?;
    let base = Base::of_headers(request.headers(), request.uri());
    let sent = send(api, heat, request).await;
    let changed = match &sent {
        Ok(coming) => Some(coming.response.status().is_success()),
        // What Heat may have got may be done yet: the hold stays until its time is over.
        Err(Unsent::Silent(silent)) => (!silent.sent).then_some(false),
        Err(Unsent::Fault(_)) => Some(false),
    };
    if let Some(changed) = changed
        && let Err(error) = api.store.drop_hold(&hold, changed).await
    {
        tracing::warn!(%stack, %error, "a hold was not dropped; it ends by itself");
    }
    Ok(answer(sent?, heat, &base).await)
}

/// Without a hold.
pub(super) async fn passed(api: &Api, heat: &Heat, request: Request) -> Result<Response, Fault> {
    let base = Base::of_headers(request.headers(), request.uri());
    Ok(answer(send(api, heat, request).await?, heat, &base).await)
}

enum Unsent {
    Silent(super::ask::Silent),
    Fault(Fault),
}

impl From<Unsent> for Fault {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Silent(silent) => silent.into(),
            Unsent::Fault(fault) => fault,
        }
    }
}

async fn send(api: &Api, heat: &Heat, request: Request) -> Result<Coming, Unsent> {
    let (parts, body) = request.into_parts();
    let url = heat.at(&parts.uri, parts.uri.query()).map_err(Unsent::Fault)?;
    let headers = end_to_end(&parts.headers);
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LONGEST) {
        return Err(Unsent::Fault(Fault::refused(
            "RequestLimitExceeded",
            format!("Request limit exceeded: the body is longer than {LONGEST} bytes."),
        )));
    }
    let chunked = parts.headers.contains_key(axum::http::header::TRANSFER_ENCODING);
    let body: Option<reqwest::Body> = match length {
        Some(0) => None,
        Some(_) => Some(reqwest::Body::wrap_stream(body.into_data_stream())),
        // Heat's servers want to know a body's length.
        None if chunked => Some(body::read(body, api.limits.body, api.patience).await.map_err(Unsent::Fault)?.into()),
        None => None,
    };
    heat.send(parts.method, url, headers, body).await.map_err(Unsent::Silent)
}

/// Heat's answer with our addresses. A short one is read first: cut off, it is a 503; a long one that is cut off ends
/// the caller's connection, since its status is told already.
async fn answer(coming: Coming, heat: &Heat, base: &Base) -> Response {
    let Coming { mut response, permit } = coming;
    let urls = Urls::new(&heat.url, base);
    let (status, mut headers) = (response.status(), end_to_end(response.headers()));
    headers.remove(CONTENT_LENGTH);
    replace_in(&mut headers, &urls);
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        headers.remove(CONTENT_TYPE);
        return (status, headers).into_response();
    }
    let mut replacing = urls.begin();
    let mut begun = BytesMut::new();
    let timeout = heat.timeout;
    while begun.len() < SHORT {
        match tokio::time::timeout(timeout, response.chunk()).await {
            Ok(Ok(Some(piece))) => begun.extend_from_slice(&replacing.push(&piece)),
            Ok(Ok(None)) => {
                begun.extend_from_slice(&replacing.end());
                return with(status, headers, Body::from(begun.freeze()));
            }
            Ok(Err(error)) => {
                return Fault::heat_away(&format!("its answer was cut off: {}", root(&error))).into_response();
            }
            Err(_) => return Fault::heat_away("its answer did not come to its end").into_response(),
        }
    }
    let rest = stream::unfold(Some((response, replacing, permit)), move |state| async move {
        let (mut response, mut replacing, permit) = state?;
        match tokio::time::timeout(timeout, response.chunk()).await {
            Ok(Ok(Some(piece))) => Some((Ok(replacing.push(&piece)), Some((response, replacing, permit)))),
            Ok(Ok(None)) => Some((Ok(replacing.end()), None)),
            Ok(Err(error)) => Some((Err(std::io::Error::other(root(&error))), None)),
            Err(_) => Some((Err(std::io::Error::other("Heat's answer did not come to its end")), None)),
        }
    });
    let begun = stream::once(async move { Ok::<Bytes, std::io::Error>(begun.freeze()) });
    with(status, headers, Body::from_stream(begun.chain(rest)))
}

fn with(status: StatusCode, headers: axum::http::HeaderMap, body: Body) -> Response {
    let mut response = (status, body).into_response();
    *response.headers_mut() = headers;
    response
}
