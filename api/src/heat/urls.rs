//! Heat's address and ours: in what Heat answers, its own is replaced by the one that the caller used.
//!
//! Heat makes absolute URLs (`Location`, links, the text of a redirect) of the address by which it was asked. They are
//! replaced as bytes, in whatever the answer is (JSON, HTML, text), piece by piece as it comes; a URL that two pieces
//! share is found too.

use bytes::{Bytes, BytesMut};
use stacksnap_openstack::Url;

use crate::base::Base;

/// What is looked for, and what stands there afterwards.
#[derive(Debug, Clone)]
pub(super) struct Urls {
    /// Each ends with `/v1/`; both schemes, since TLS may end before Heat.
    theirs: [Bytes; 2],
    ours: Bytes,
}

impl Urls {
    pub(super) fn new(heat: &Url, base: &Base) -> Self {
        let port = heat.port().map(|port| format!(":{port}")).unwrap_or_default();
        let rest = format!("{}{port}{}/", heat.host_str().unwrap_or_default(), heat.path());
        Self { theirs: ["http", "https"].map(|scheme| format!("{scheme}://{rest}").into()), ours: base.v1().into() }
    }

    pub(super) fn replace(&self, bytes: &[u8]) -> Bytes {
        let mut replacing = self.begin();
        let mut out = BytesMut::from(&replacing.push(bytes)[..]);
        out.extend_from_slice(&replacing.end());
        out.freeze()
    }

    pub(super) fn begin(&self) -> Replacing {
        Replacing { urls: self.clone(), kept: BytesMut::new() }
    }

    fn longest(&self) -> usize {
        self.theirs.iter().map(Bytes::len).max().unwrap_or(1)
    }

    /// The first of Heat's URLs: where, and how long.
    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        // All of them begin with an `h`, which is rare enough in what is not one.
        let mut from = 0;
        while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'h').map(|at| at + from) {
            if let Some(found) = self.theirs.iter().find(|theirs| bytes[at..].starts_with(theirs)) {
                return Some((at, found.len()));
            }
            from = at + 1;
        }
        None
    }
}

/// A replacement of something that comes in pieces.
#[derive(Debug)]
pub(super) struct Replacing {
    urls: Urls,
    /// What may be the beginning of a URL whose rest has not come yet.
    kept: BytesMut,
}

impl Replacing {
    pub(super) fn push(&mut self, piece: &[u8]) -> Bytes {
        self.kept.extend_from_slice(piece);
        let mut out = BytesMut::with_capacity(self.kept.len());
        while let Some((at, length)) = self.urls.find(&self.kept) {
            out.extend_from_slice(&self.kept.split_to(at));
            let _theirs = self.kept.split_to(length);
            out.extend_from_slice(&self.urls.ours);
        }
        let whole = self.kept.len().saturating_sub(self.urls.longest() - 1);
        out.extend_from_slice(&self.kept.split_to(whole));
        out.freeze()
    }

    pub(super) fn end(&mut self) -> Bytes {
        self.kept.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn urls() -> Urls {
        Urls::new(&"http://10.0.0.5:8004/heat/v1".parse().unwrap(), &Base::named("snap.example:8004"))
    }

    #[test]
    fn heats_address_becomes_ours_and_nothing_else_does() {
        let replaced = |text: &str| String::from_utf8(urls().replace(text.as_bytes()).to_vec()).unwrap();
        assert_eq!(
            replaced(r#"{"href": "http://10.0.0.5:8004/heat/v1/p/stacks/s", "b": "https://10.0.0.5:8004/heat/v1/x"}"#),
            r#"{"href": "http://snap.example:8004/v1/p/stacks/s", "b": "http://snap.example:8004/v1/x"}"#
        );
        for other in ["http://10.0.0.5:8004/other", "http://10.0.0.50:8004/heat/v1/", "hhttp:/", "", "h"] {
            assert_eq!(replaced(other), other);
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            parts in prop::collection::vec("(http://10.0.0.5:8004/heat/v1/)|(https://10.0.0.5:8004/heat/v1/)|[hpt:/.0-9]{0,9}", 0..12),
            cuts in prop::collection::vec(1..9_usize, 1..40),
        ) {
            let text = parts.concat();
            let mut replacing = urls().begin();
            let mut out = Vec::new();
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                out.extend_from_slice(&replacing.push(piece));
                rest = more;
            }
            out.extend_from_slice(&replacing.end());
            let ours = text
                .replace("http://10.0.0.5:8004/heat/v1/", "http://snap.example:8004/v1/")
                .replace("https://10.0.0.5:8004/heat/v1/", "http://snap.example:8004/v1/");
            prop_assert_eq!(String::from_utf8(out).unwrap(), ours);
        }
    }
}
