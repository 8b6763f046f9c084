//! Nothing has changed in Heat since it was last seen, but by us. What Heat says now is noted in any case: it is what our
//! state is shown over from now on.

use serde_json::Value;

use super::At;
use crate::driver::Error;
use crate::verbs::{Ran, done};

pub(super) async fn run(at: &At<'_>) -> Result<Ran, Error> {
    let now = at.seen(&at.stack().await?).await?;
    if let Some(ran) = at.unchanged(&now).await? {
        return Ok(ran);
    }
    at.note(&now).await?;
    Ok(done(None, Value::Null))
}
