//! Redis's errors, told as the store's.

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use crate::store::backend::Error;

/// An error of a call to `server`, an address without credentials.
pub(super) fn error(server: &str, error: &RedisError) -> Error {
    let say = |what: &str| format!("Redis at {server}: {what}");
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => Error::Unavailable(say("no answer in time")),
        ErrorKind::AuthenticationFailed => {
            Error::Refused(say("user name or password are wrong; correct them in the URL"))
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            said(server, error.code().unwrap_or("ERR"), error.detail().unwrap_or_default())
        }
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            Error::Corrupt(say("what answers there does not speak Redis's protocol"))
        }
        ErrorKind::InvalidClientConfig => Error::Refused(say(&format!("the URL can't be used ({error})"))),
        _ => Error::Unavailable(say(&error.to_string())),
    }
}

/// An error within a pipeline's answers.
pub(super) fn in_answer(server: &str, answer: Value) -> Result<Value, Error> {
    match answer {
        Value::ServerError(error) => Err(said(server, error.code(), error.details().unwrap_or_default())),
        answer => Ok(answer),
    }
}

pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

pub(super) fn is_no_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// What the server said. Codes as in Redis 7's `server.c` (`createSharedObjects`): all of them come before a script's
/// first write.
fn said(server: &str, code: &str, detail: &str) -> Error {
    let say = |advice: &str| format!("Redis at {server} said {code} {detail}{advice}");
    match code {
        "OOM" => Error::Refused(say("; raise its `maxmemory` or give it a server of its own")),
        "MISCONF" => Error::Refused(say("; look at its disk and its log")),
        "READONLY" | "NOREPLICAS" | "NOPERM" | "NOAUTH" | "WRONGPASS" | "DENIED" => Error::Refused(say("")),
        "WRONGTYPE" => Error::Corrupt(say("; another program uses the same keys, choose another prefix")),
        // LOADING, BUSY, MASTERDOWN, CLUSTERDOWN, TRYAGAIN and what is not known here: it may pass.
        _ => Error::Unavailable(say("")),
    }
}
