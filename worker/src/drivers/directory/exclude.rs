//! What of a tree is left out: patterns as in a `.gitignore` file, read from the top of the resource's directory.
//!
//! `*.tmp` anywhere, `/cache` only at the top, `logs/` only directories, `**` any depth, `!keep.tmp` takes out of an
//! earlier one; what lies in an excluded directory can't be taken out again. What is excluded is neither copied nor, at
//! a restore, looked at, changed or removed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::names;

const MOST: usize = 1_000;
const LONGEST: usize = 4_096;

/// One list of patterns or several; an entry is out if any of the lists, each for itself, says so.
#[derive(Debug, Clone)]
pub(crate) struct Excludes(Vec<Gitignore>);

impl Excludes {
    /// Parses the patterns; an error says which one is wrong, and why.
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut builder = GitignoreBuilder::new("");
        for (at, pattern) in patterns.into_iter().enumerate() {
            let rule = if at >= MOST {
                "there are more than 1,000 patterns"
            } else if pattern.trim().is_empty() || pattern == "/" || pattern == "!" {
                "it is empty"
            } else if pattern.len() > LONGEST {
                "it is longer than 4,096 bytes"
            } else if pattern.starts_with('#') {
                "a pattern that begins with # is a comment; write \\#"
            } else if pattern.contains(['\n', '\r', '\0']) {
                "it has a line end or a zero byte in it; write ? for such a character"
            } else {
                builder.add_line(None, pattern).map_err(|error| format!("exclude {pattern:?}: {error}"))?;
                continue;
            };
            return Err(format!("exclude {:?}: {rule}", pattern.chars().take(80).collect::<String>()));
        }
        let list = builder.build().map_err(|error| format!("exclude: {error}"))?;
        Ok(Self(if list.is_empty() { Vec::new() } else { vec![list] }))
    }

    /// What either leaves out. The lists are not joined into one: a `!pattern` counts in its own list only.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether this entry itself is left out; those above it were asked before.
    pub(crate) fn cover(&self, path: &names::Path, directory: bool) -> bool {
        if path.is_empty() || self.0.is_empty() {
            return false;
        }
        let joined = names::join(path);
        let joined = std::path::Path::new(OsStr::from_bytes(&joined));
        self.0.iter().any(|list| list.matched(joined, directory).is_ignore())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cover(patterns: &[&str], path: &[u8], directory: bool) -> bool {
        Excludes::new(patterns.iter().copied()).unwrap().cover(&names::split(path), directory)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        assert!(cover(&["*.tmp"], b"a/b.tmp", false));
        assert!(!cover(&["*.tmp", "!b.tmp"], b"a/b.tmp", false));
        assert!(cover(&["/cache"], b"cache", true));
        assert!(!cover(&["/cache"], b"a/cache", true));
        assert!(cover(&["logs/"], b"a/logs", true));
        assert!(!cover(&["logs/"], b"a/logs", false));
        assert!(cover(&["a/**/z"], b"a/b/c/z", false));
        assert!(!cover(&["*"], b"", true), "never the root");
    }

    #[test]
    fn two_lists_are_asked_each_for_itself() {
        let both = Excludes::new(["*.tmp"]).unwrap().and(Excludes::new(["x", "!b.tmp"]).unwrap());
        for out in [b"b.tmp".as_slice(), b"x"] {
            assert!(both.cover(&names::split(out), false));
        }
        assert!(!both.cover(&names::split(b"y"), false));
    }

    #[test]
    fn names_are_bytes() {
        assert!(cover(&["*.tmp"], b"caf\xe9.tmp", false));
        assert!(cover(&["caf?.tmp"], b"caf\xe9.tmp", false));
        assert!(cover(&["*.tmp"], b"two\nlines.tmp", false));
        assert!(!cover(&["*.tmp"], b"caf\xe9.tm", false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (pattern, rule) in [("", "empty"), ("#a", "comment"), ("a\nb", "line end"), ("a{b", "a{b")] {
            let error = Excludes::new([pattern]).unwrap_err();
            assert!(error.contains(rule), "{error}");
        }
        assert!(Excludes::new(std::iter::repeat_n("a", 1001)).unwrap_err().contains("1,000"));
    }
}
