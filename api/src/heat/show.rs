//! `GET /stacks/{name}/{id}`: Heat's answer, with our state where ours is the newer one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::overlay;
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    request: Request,
) -> Result<Response, Fault> {
    let heat = api.heat()?;
    let (parts, _) = request.into_parts();
    let answer = heat.ask(&parts, heat.at(&parts.uri, parts.uri.query())?).await?;
    let Some(mut body) = answer.json() else { return Ok(answer.unchanged(&heat, &base)) };
    if let Some(id) = body["stack"]["id"].as_str().and_then(|id| id.parse().ok())
        && let Some(shadow) = api.store.shadow(&caller.project, id).await?
    {
        overlay::stack(&mut body["stack"], &shadow);
    }
    Ok(answer.changed(&heat, &base, &body))
}
