//! What the file system says, in words for a person, and whether trying again could help.

use rustix::io::Errno;

use super::names;
use crate::driver::Error;

/// `doing` (`open`, `read`, `set the owner of`) failed at `path`.
pub(crate) fn os(doing: &str, path: &str, errno: Errno) -> Error {
    let reason = format!("can't {doing} {path}: {}", words(errno));
    match errno {
        Errno::NOENT => Error::Gone(reason),
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOSPC | Errno::DQUOT | Errno::LOOP | Errno::NOTDIR => {
            Error::permanent(reason)
        }
        Errno::NAMETOOLONG | Errno::XDEV | Errno::NOTSUP | Errno::INVAL | Errno::FBIG | Errno::NOSYS => {
            Error::permanent(reason)
        }
        _ => Error::transient(reason),
    }
}

/// The same for an entry of a tree; a missing entry is not a missing resource.
pub(crate) fn entry(doing: &str, path: &names::Path, errno: Errno) -> Error {
    match os(doing, &names::show(path), errno) {
        Error::Gone(reason) => Error::transient(reason),
        other => other,
    }
}

/// The same for what the standard library reports.
pub(crate) fn io(doing: &str, path: &names::Path, error: &std::io::Error) -> Error {
    match Errno::from_io_error(error) {
        Some(errno) => entry(doing, path, errno),
        None => Error::transient(format!("can't {doing} {}: {error}", names::show(path))),
    }
}

/// The control directory can't be used.
pub(crate) fn control(error: &std::io::Error) -> Error {
    let reason = match Errno::from_io_error(error) {
        Some(errno) => words(errno),
        None => error.to_string(),
    };
    Error::transient(format!("the control directory of stacksnap's data can't be used: {reason}"))
}

/// What happened, and where it helps, what to do.
pub(crate) fn words(errno: Errno) -> String {
    match errno {
        Errno::NOSPC => "the file system is full; make room and try again".to_owned(),
        Errno::DQUOT => "the disk quota is used up; raise it or make room, and try again".to_owned(),
        Errno::ROFS => "the file system is mounted read-only".to_owned(),
        Errno::ACCESS => "the worker's user may not (permission denied)".to_owned(),
        Errno::PERM => "not permitted to the worker's user, or the file is immutable (lsattr shows that)".to_owned(),
        Errno::LOOP => "a symbolic link is in the way".to_owned(),
        Errno::NOTDIR => "something that is not a directory is in the way".to_owned(),
        Errno::XDEV => "it is on another mount".to_owned(),
        Errno::NOENT => "it is not there".to_owned(),
        Errno::MFILE | Errno::NFILE => "too many open files; raise the limit (ulimit -n)".to_owned(),
        Errno::NOSYS => "the system does not offer it; Linux 5.8 or later is needed".to_owned(),
        errno => text(errno),
    }
}

/// The system's words, without the number that the standard library adds.
fn text(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
