//! `POST /stacks`: Heat's. Where it adopts what an abandon of the same project handed out, the snapshots of the stack that
//! was abandoned come back with the new one, as in registry mode.
//!
//! The document has the id of the stack that it was made of. If we have snapshots of that, and Heat has the stack no more,
//! they become the new stack's as soon as Heat has accepted the adoption. If that can't be recorded then, they stay with
//! the old id, and come with the next adoption of the same document.
//!
//! A body that is longer than `limits.body` is streamed to Heat unread, as all that is Heat's.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;
use stacksnap_common::ids::{ProjectId, StackId, StackName};

use super::{Heat, forward};
use crate::auth::Caller;
use crate::fault::Fault;
use crate::{Api, body, template};

/// More of an answer that names a new stack is not read, in bytes.
const LONGEST: usize = 1 << 20;

pub(super) async fn create(State(api): State<Arc<Api>>, caller: Caller, request: Request) -> Result<Response, Fault> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let chunked = request.headers().contains_key(TRANSFER_ENCODING);
    if chunked || length.is_none_or(|length| length > api.limits.body) {
        return forward::forward(State(api), caller, request).await;
    }
    let (parts, sent) = request.into_parts();
    let bytes = body::read(sent, api.limits.body, api.patience).await?;
    let old = adopted(parts.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()), &bytes);
    let headers = parts.headers.clone();
    let request = Request::from_parts(parts, Body::from(bytes));
    let Some(old) = old else { return forward::forward(State(api), caller, request).await };
    let heat = api.heat()?;
    let left =
        api.store.left_behind(&caller.project, old).await? && given_up(&api, &heat, &caller, old, &headers).await?;
    if !left {
        return forward::forward(State(api), caller, request).await;
    }
    // To the end also if the caller goes away: Heat may have made the stack.
    let going = tokio::spawn(async move {
        let response = forward::passed(&api, &heat, request).await?;
        bring_along(&api, &caller.project, old, response).await
    });
    going.await.map_err(|_| Fault::internal())?
}

/// The id in the document that a request adopts. `None`: it adopts nothing, or what Heat will refuse.
fn adopted(kind: Option<&[u8]>, bytes: &[u8]) -> Option<StackId> {
    let body = body::parse(kind, bytes).ok()??;
    let Value::Object(document) = template::value_of(body.get("adopt_stack_data")?.as_str()?).ok()? else {
        return None;
    };
    document.get("id")?.as_str()?.parse().ok()
}

/// Whether Heat has the stack no more, or is about to give it up.
async fn given_up(api: &Api, heat: &Heat, caller: &Caller, old: StackId, headers: &HeaderMap) -> Result<bool, Fault> {
    let Some(shadow) = api.store.shadow(&caller.project, old).await? else { return Ok(false) };
    match heat.of(&caller.project, headers).stack(shadow.name.as_str(), &old.to_string()).await {
        Ok(stack) => Ok(["DELETE_COMPLETE", "DELETE_IN_PROGRESS"].contains(&stack.stack_status.as_str())),
        Err(error) if error.is_gone() => Ok(true),
        // Heat will say itself what is wrong.
        Err(_) => Ok(false),
    }
}

async fn bring_along(api: &Api, project: &ProjectId, old: StackId, response: Response) -> Result<Response, Fault> {
    if response.status() != StatusCode::CREATED {
        return Ok(response);
    }
    let (parts, sent) = response.into_parts();
    let bytes = axum::body::to_bytes(sent, LONGEST).await.map_err(|_| Fault::heat_away("its answer was cut off"))?;
    match made(&bytes) {
        Some((new, name)) => match api.store.inherit(project, old, new, &name).await {
            Ok(taken) => tracing::info!(%project, %old, %new, taken, "an abandoned stack was adopted again"),
            Err(error) => {
                tracing::warn!(%project, %old, %new, %error, "the snapshots of an adopted stack stay with its old id");
            }
        },
        None => tracing::warn!(%project, %old, "Heat's answer to an adoption names no stack"),
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// The new stack: its id, and its name as the link to it ends: `…/stacks/{name}/{id}`.
fn made(bytes: &[u8]) -> Option<(StackId, StackName)> {
    let body: Value = serde_json::from_slice(bytes).ok()?;
    let id: StackId = body["stack"]["id"].as_str()?.parse().ok()?;
    let mut link = body["stack"]["links"][0]["href"].as_str()?.rsplit('/').skip(1);
    Some((id, link.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c3aefb78-bea1-4714-8fe0-99e17bb64d3a";

    #[test]
    fn only_a_document_with_an_id_is_adopted_again() {
        let of = |document: &str| {
            let body = serde_json::json!({"stack_name": "s", "adopt_stack_data": document}).to_string();
            adopted(Some(b"application/json"), body.as_bytes()).map(|id| id.to_string())
        };
        assert_eq!(of(&format!(r#"{{"id": "{ID}", "template": {{}}}}"#)).as_deref(), Some(ID));
        assert_eq!(of(&format!("id: {ID}\n")).as_deref(), Some(ID));
        for odd in ["{}", "[]", "{", r#"{"id": 5}"#, r#"{"id": "../x"}"#] {
            assert_eq!(of(odd), None, "{odd}");
        }
        assert_eq!(adopted(None, b"{\"stack_name\": \"s\"}"), None);
        assert_eq!(adopted(None, b"{"), None);
    }

    #[test]
    fn the_new_stack_is_named_by_its_link() {
        let answer = format!(r#"{{"stack":{{"id":"{ID}","links":[{{"href":"http://h/v1/p/stacks/other/{ID}"}}]}}}}"#);
        let (id, name) = made(answer.as_bytes()).unwrap_or_else(|| unreachable!());
        assert_eq!((id.to_string().as_str(), name.as_str()), (ID, "other"));
        assert!(made(b"{}").is_none());
    }
}
