//! Times as text. The clock itself is the store's.

use jiff::Timestamp;

use crate::store::Millis;

/// `2026-11-22T16:00:37Z`: Heat's form, to the second, UTC.
pub fn rfc3339(at: Millis) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    match Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => "9999-12-31T23:59:59Z".to_owned(),
    }
}
