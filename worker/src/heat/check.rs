//! Nothing has changed in Heat since it was last seen, but by us. What Heat says now is noted in any case: it is what our
//! state is shown over from now on.

use serde_json::Value;

use super::At;
use crate::driver::Error;
use crate::verbs::{Ran, done};

pub(super) async fn run(at: &At<'_>) -> Result<Ran, Error> {
    let now = at.seen(&at.stack().await?).await?;
    let before = at.shadow().await?.seen;
    at.note(&now).await?;
    if before.same(&now) { Ok(done(None, Value::Null)) } else { Err(super::changed(&now)) }
}
