//! A container as its owner sees it, by Swift's API, in the fake cloud as in a real one.

use bytes::Bytes;
use futures_util::stream;
use md5::{Digest, Md5};
use stacksnap_openstack::Swift;
use stacksnap_openstack::swift::{Headers, Segment};

pub(super) struct Owner {
    pub(super) swift: Swift,
    pub(super) container: String,
    /// Where some of the segments are.
    pub(super) elsewhere: String,
}

impl Owner {
    /// A few of everything: names that are hard, headers, all kinds of large objects, a link.
    pub(super) async fn fill(&self) {
        let (here, there) = (&*self.container, &*self.elsewhere);
        for name in ["a", "a.b", "a/b", "a0", "dir/", "//", "..", "%2F", "ü/ö", "sp ace?&#", "z\n"] {
            self.put(name, format!("content of {name}").as_bytes()).await;
        }
        let typed = [("Content-Type", "text/x; charset=y"), ("X-Object-Meta-A", "1"), ("X-Delete-At", "4000000000")];
        self.put_in(here, "typed", b"x", &typed).await;
        self.put("empty", b"").await;
        self.put("parts/1", b"one").await;
        self.put("parts/2", b"two").await;
        let parts = format!("{here}/parts/");
        self.put_in(here, "dynamic", b"", &[("X-Object-Manifest", &parts), ("X-Object-Meta-A", "2")]).await;
        self.put_slo("static", &[(here, "parts/2"), (here, "parts/1")]).await;
        // Sorted before what it is made of.
        self.put_slo("a-nested", &[(here, "static"), (here, "parts/1")]).await;
        self.swift.make_container(there, &Headers::default()).await.unwrap();
        for part in ["dyn/1", "dyn/2", "seg/1", "seg/2", "other"] {
            self.put_in(there, part, part.as_bytes(), &[]).await;
        }
        self.put_in(here, "far", b"", &[("X-Object-Manifest", &format!("{there}/dyn/"))]).await;
        self.put_slo("far-static", &[(there, "seg/2"), (there, "seg/1")]).await;
        self.put_in(here, "link", b"", &[("X-Symlink-Target", &format!("{here}/a"))]).await;
    }

    pub(super) async fn put(&self, name: &str, content: &[u8]) {
        self.put_in(&self.container, name, content, &[]).await;
    }

    async fn put_in(&self, container: &str, name: &str, content: &[u8], headers: &[(&str, &str)]) {
        let content = Bytes::copy_from_slice(content);
        let whole = (content.len() as u64, &*hex::encode(Md5::digest(&content)));
        let body = || stream::iter([Ok::<_, std::io::Error>(content.clone())]);
        self.swift.put_object(container, name, &set(headers), whole, body).await.unwrap();
    }

    async fn put_slo(&self, name: &str, segments: &[(&str, &str)]) {
        let segment = |(container, name): &(&str, &str)| Segment {
            path: Some(format!("/{container}/{name}")),
            data: None,
            etag: None,
            size_bytes: None,
            range: None,
        };
        let segments: Vec<_> = segments.iter().map(segment).collect();
        self.swift.put_slo(&self.container, name, &Headers::default(), &segments).await.unwrap();
    }

    /// Something is added, changed and taken away, of objects, of an object's metadata and of the container's.
    pub(super) async fn change(&self, round: u64, large: &[u8]) {
        let (swift, here, round) = (&self.swift, &*self.container, round.to_string());
        self.put("large", large).await;
        self.put("a", format!("another, {round}").as_bytes()).await;
        self.put(&format!("new/{round}"), b"new").await;
        for gone in ["a/b", "parts/1"] {
            swift.delete_object(here, gone).await.unwrap();
        }
        let mut typed = swift.object(here, "typed").await.unwrap().headers;
        typed.set("x-object-meta-round", &round);
        swift.set_object(here, "typed", &typed).await.unwrap();
        let own = set(&[("x-container-meta-round", &round), ("x-container-read", "")]);
        swift.set_container(here, &own).await.unwrap();
    }

    pub(super) async fn remove(&self) {
        for name in self.names(&self.container).await {
            self.swift.delete_object(&self.container, &name).await.unwrap();
        }
        self.swift.delete_container(&self.container).await.unwrap();
    }

    /// The container, and what its large objects are made of: a line for each, with its headers, its own bytes and those
    /// that it stands for.
    pub(super) async fn shown(&self) -> String {
        let mut lines = String::new();
        for container in [&self.container, &self.elsewhere] {
            lines += &format!("{container} {}\n", text(&self.swift.container(container).await.unwrap().headers));
            for name in self.names(container).await {
                lines += &format!("{name:?}: {}\n", self.object(container, &name).await);
            }
        }
        lines
    }

    async fn names(&self, container: &str) -> Vec<String> {
        self.swift.page(container, "", "").await.unwrap().into_iter().map(|listed| listed.name).collect()
    }

    async fn object(&self, container: &str, name: &str) -> String {
        let (object, mut open) = self.swift.open_object(container, name, None, 0).await.unwrap();
        let (mut bytes, mut md5) = (0, Md5::new());
        while let Some(part) = open.part().await.unwrap() {
            bytes += part.len();
            md5.update(&part);
        }
        let own = format!("{} {bytes}", text(&object.headers));
        if !object.is_slo() && object.dlo().is_none() && object.headers.get("x-symlink-target").is_none() {
            return format!("{own} {}", hex::encode(md5.finalize()));
        }
        match self.swift.large_object(container, name).await {
            Ok(whole) => format!("{own} for {} {}", whole.bytes, whole.etag),
            Err(_) => format!("{own} broken"),
        }
    }
}

fn set(headers: &[(&str, &str)]) -> Headers {
    let mut set = Headers::default();
    headers.iter().for_each(|(name, value)| set.set(&name.to_lowercase(), value));
    set
}

fn text(headers: &Headers) -> String {
    let headers = headers.0.iter().map(|(name, value)| format!("{name}={}", value.escape_ascii()));
    headers.collect::<Vec<_>>().join(" ")
}
