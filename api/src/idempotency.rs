//! `Idempotency-Key`: a change that is sent again with the same key gets the first answer again.
//!
//! What is kept is in the store, in the same commit as what the change made; here the key and the request become two
//! digests: who asks what by which key, and with what body (and query, which is part of what is asked).

use axum::http::request::Parts;
use stacksnap_common::store::Idempotency;

use crate::auth::Caller;
use crate::body::digest;
use crate::fault::Fault;

pub(crate) fn of(parts: &Parts, caller: &Caller, body: &[u8]) -> Result<Option<Idempotency>, Fault> {
    let mut keys = parts.headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let fit = |key: &[u8]| (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if keys.next().is_some() || !fit(key.as_bytes()) {
        return Err(Fault::bad_request("An Idempotency-Key is one value of 1 to 255 visible ASCII characters."));
    }
    let method = parts.method.as_str().as_bytes();
    let path = parts.uri.path().as_bytes();
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    Ok(Some(Idempotency {
        digest: digest(&[caller.who.user_id.as_bytes(), method, path, key.as_bytes()]),
        body: digest(&[query, body]),
    }))
}
