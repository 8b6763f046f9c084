//! A token file: one line a token, four words with space between them.
//!
//! ```text
//! # SHA-256 of the token, hexadecimal     project  roles          user
//! 2bb80d537b1da3e38bd30361aa855686bd…    demo     member         alice
//! ```
//!
//! Roles are separated by commas: `reader`, `member` (also reads) or `admin` (both, in every project). The file never holds a
//! token, so whoever reads it can't use it; `printf %s "$TOKEN" | sha256sum` makes the first word. It is looked at
//! again when it has changed, at most once a second. A changed file that can't be read or has a wrong line lets nobody
//! in (503) until it is right: whoever was removed from it must not stay in because of a slip.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use stacksnap_common::ids::ProjectId;

use super::{Identity, Refusal, Scope, Who};

/// How long a file is taken to be unchanged.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the token file {path} can't be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the token file {path}: line {line} can't be read: {what}")]
    Line { path: PathBuf, line: usize, what: &'static str },
}

impl Error {
    /// For callers, who are told neither where the file is nor what is in it.
    fn outside(&self) -> &'static str {
        match self {
            Error::Unreadable { .. } => "The service's token file can't be read.",
            Error::Line { .. } => "The service's token file has a wrong line; the service's log says which.",
        }
    }
}

type Tokens = HashMap<[u8; 32], Arc<Who>>;
/// What tells one content of a file from another without reading it.
type Stamp = (SystemTime, u64, u64);

#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Or what callers are told while the file is not as it must be.
    tokens: Result<Tokens, &'static str>,
    stamp: Option<Stamp>,
    looked: Instant,
}

impl TokenFile {
    /// Reads the file. Blocks for as long as that takes.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let stamp = stamp(path);
        let tokens = load(path)?;
        let state = State { tokens: Ok(tokens), stamp, looked: Instant::now() };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    fn find(&self, token: &str, now: Instant) -> Result<Arc<Who>, Refusal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked) >= FRESH {
            state.looked = now;
            let stamp = stamp(&self.path);
            if stamp != state.stamp || stamp.is_none() {
                state.stamp = stamp;
                state.tokens = match load(&self.path) {
                    Ok(tokens) => {
                        tracing::info!(tokens = tokens.len(), "the token file was read again");
                        Ok(tokens)
                    }
                    Err(error) => {
                        tracing::error!("{error}; nobody is let in until it is right");
                        Err(error.outside())
                    }
                };
            }
        }
        let tokens = state.tokens.as_ref().map_err(|why| Refusal::Away(why))?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        tokens.get(&digest).cloned().ok_or(Refusal::Unknown)
    }
}

#[async_trait]
impl Identity for TokenFile {
    async fn identify(&self, request: &Parts) -> Result<Arc<Who>, Refusal> {
        let token = request.headers.get("x-auth-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
        if token.is_empty() {
            return Err(Refusal::Unknown);
        }
        self.find(token, Instant::now())
    }

    fn challenge(&self) -> &str {
        "Token realm=\"stacksnap\""
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len(), meta.ino()))
}

fn load(path: &Path) -> Result<Tokens, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let mut tokens = Tokens::new();
    for (index, line) in text.lines().enumerate() {
        let line_of = |what| Error::Line { path: path.to_owned(), line: index + 1, what };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (digest, who) = parse(line).map_err(line_of)?;
        if tokens.insert(digest, Arc::new(who)).is_some() {
            return Err(line_of("this token is in the file already"));
        }
    }
    Ok(tokens)
}

fn parse(line: &str) -> Result<([u8; 32], Who), &'static str> {
    let words: Vec<_> = line.split_whitespace().collect();
    let &[digest, project, roles, user] = words.as_slice() else {
        return Err("must be four words: SHA-256 of the token, project, roles, user");
    };
    let bytes = hex::decode(digest).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let digest = bytes.ok_or("the first word must be a SHA-256, 64 hexadecimal digits")?;
    let project: ProjectId = project.parse().map_err(|_| "the second word is not a project id")?;
    let mut all = Vec::new();
    for name in roles.split(',') {
        // As Keystone has them imply each other.
        all.extend(match name {
            "reader" => &["reader"][..],
            "member" => &["member", "reader"],
            "admin" => &["admin", "member", "reader"],
            _ => return Err("the third word lists roles: reader, member, admin"),
        });
    }
    Ok((digest, Who::new(user, Scope::One(project), all)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(token: &str, rest: &str) -> String {
        format!("{} {rest}\n", hex::encode(Sha256::digest(token.as_bytes())))
    }

    #[test]
    fn a_file_says_who_a_token_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(
            &path,
            format!("# ours\n\n{}{}", line("t1", "demo member alice"), line("t2", "ops reader,admin root")),
        )
        .unwrap();
        let file = TokenFile::open(&path).unwrap();
        let who = file.find("t1", Instant::now()).unwrap();
        assert_eq!(*who, Who::new("alice", Scope::One("demo".parse().unwrap()), ["member", "reader"]));
        assert!(file.find("t2", Instant::now()).unwrap().has_role("admin"));
        assert_eq!(file.find("t3", Instant::now()), Err(Refusal::Unknown));
    }

    #[test]
    fn a_changed_file_counts_and_a_broken_one_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, line("t1", "demo member alice")).unwrap();
        let file = TokenFile::open(&path).unwrap();
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        std::fs::write(&path, line("t22", "demo member alice bob")).unwrap();
        assert!(matches!(file.find("t1", later(2)), Err(Refusal::Away(why)) if why.contains("wrong line")));
        std::fs::write(&path, line("t333", "demo reader carol")).unwrap();
        assert_eq!(file.find("t1", later(4)), Err(Refusal::Unknown));
        assert_eq!(file.find("t333", later(4)).unwrap().user, "carol");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(file.find("t333", later(6)), Err(Refusal::Away(why)) if why.ends_with("can't be read.")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        for wrong in
            ["secret demo member alice\n".to_owned(), line("t", "demo boss alice"), line("t", "a/b member alice")]
        {
            std::fs::write(&path, format!("# one\n{wrong}")).unwrap();
            let error = TokenFile::open(&path).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        std::fs::write(&path, format!("{0}{0}", line("t", "demo reader alice"))).unwrap();
        assert!(TokenFile::open(&path).unwrap_err().to_string().contains("already"));
    }
}
