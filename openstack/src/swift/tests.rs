//! The client against the fake Swift.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;

use super::{Headers, Segment, Swift, is_another};
use crate::fake;
use crate::fake::swift::Fault;
use crate::{Credentials, Domain, Error, Http, Scope, Session, Settings, StatusCode, User, http};

struct Cloud {
    keystone: fake::Keystone,
    fake: fake::Swift,
    swift: Swift,
}

async fn cloud() -> Cloud {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = fake::Keystone::start().await;
    keystone.grant("alice", "demo", &["member"]);
    let fake = fake::Swift::start(&keystone).await;
    let domain = Domain::Id("default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name("alice".to_owned(), domain.clone()),
        password: "secret-of-alice".into(),
        scope: Scope::Project("demo".to_owned(), domain),
    };
    let http = Http::new(http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() }).unwrap();
    let session = Session::new(http, keystone.url(), credentials, Settings::default()).unwrap();
    Cloud { keystone, fake, swift: Swift::new(session) }
}

fn headers(given: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in given {
        headers.set(name, value);
    }
    headers
}

type Parts = futures_util::stream::Iter<std::vec::IntoIter<Result<Bytes, Infallible>>>;

fn parts(content: &[u8]) -> impl FnMut() -> Parts {
    let parts: Vec<_> = content.chunks(1000).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    move || futures_util::stream::iter(parts.clone())
}

async fn put(swift: &Swift, name: &str, content: &[u8], given: &[(&str, &str)]) -> Result<(), Error> {
    let etag = fake::swift::md5(content);
    swift.put_object("c", name, &headers(given), (content.len() as u64, &etag), parts(content)).await
}

async fn read(swift: &Swift, name: &str, etag: Option<&str>, from: u64) -> Result<Vec<u8>, Error> {
    let (_, mut open) = swift.open_object("c", name, etag, from).await?;
    let mut all = Vec::new();
    while let Some(part) = open.part().await? {
        all.extend_from_slice(&part);
    }
    Ok(all)
}

#[tokio::test]
async fn a_container_and_its_headers() {
    let Cloud { swift, .. } = &cloud().await;
    assert!(swift.container("c").await.unwrap_err().is_gone());
    let given = headers(&[("x-container-read", ".r:*, .rlistings"), ("x-container-meta-color", "red")]);
    swift.make_container("c", &given).await.unwrap();
    swift.make_container("c", &headers(&[("x-container-meta-size", "small")])).await.unwrap();
    swift.set_container("c", &headers(&[("x-container-meta-color", "")])).await.unwrap();
    let found = swift.container("c").await.unwrap();
    assert_eq!(found.headers.get("x-container-read"), Some(".r:*,.rlistings"));
    assert_eq!(found.headers.get("x-container-meta-color"), None);
    assert_eq!(found.headers.get("x-container-meta-size"), Some("small"));
    put(swift, "o", b"x", &[]).await.unwrap();
    assert_eq!(swift.delete_container("c").await.unwrap_err().status(), Some(StatusCode::CONFLICT));
    swift.delete_object("c", "o").await.unwrap();
    swift.delete_object("c", "o").await.unwrap();
    swift.delete_container("c").await.unwrap();
    swift.delete_container("c").await.unwrap();
}

#[tokio::test]
async fn a_listing_is_read_page_by_page_in_the_order_of_the_bytes() {
    let Cloud { fake, swift, .. } = &cloud().await;
    fake.put_container("demo-id", "c", &[]);
    for number in 0..10_002 {
        fake.put("demo-id", "c", &format!("o/{number:05}"), b"", &[]);
    }
    fake.put("demo-id", "c", "ü", b"x", &[]);
    let (mut marker, mut all) = (String::new(), Vec::new());
    loop {
        let page = swift.page("c", "", &marker).await.unwrap();
        let Some(last) = page.last() else { break };
        marker = last.name.clone();
        all.extend(page);
    }
    assert_eq!((all.len(), all[10_002].name.as_str()), (10_003, "ü"));
    assert!(all.is_sorted_by(|one, other| one.name.as_bytes() < other.name.as_bytes()));
    assert_eq!(swift.page("c", "o/0999", "o/09994").await.unwrap().len(), 5);
}

#[tokio::test]
async fn bytes_go_up_and_come_down_as_streams() {
    let Cloud { keystone, fake, swift } = &cloud().await;
    fake.put_container("demo-id", "c", &[]);
    let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    for name in ["plain", "a/b c", "../x", "..", ".", "%41", "ü?#&", "//", "\n", "a\tb\r\n", " "] {
        put(swift, name, &content, &[("x-object-meta-a", "1"), ("content-type", "text/x")]).await.unwrap();
        assert_eq!(read(swift, name, None, 0).await.unwrap(), content, "{name}");
        assert_eq!(fake.content("demo-id", "c", name).unwrap(), content, "{name}");
    }
    let object = swift.object("c", "plain").await.unwrap();
    assert_eq!((object.bytes, object.headers.get("x-object-meta-a")), (200_000, Some("1")));
    assert_eq!(read(swift, "plain", Some(&object.etag), 150_000).await.unwrap(), content[150_000..]);
    assert!(is_another(&read(swift, "plain", Some("0123"), 0).await.unwrap_err()));

    // What arrives otherwise than it was said to be is not kept.
    let wrong = swift.put_object("c", "new", &Headers::default(), (3, "0123"), parts(b"abc")).await.unwrap_err();
    assert_eq!(wrong.status(), Some(StatusCode::UNPROCESSABLE_ENTITY));
    let broken = || futures_util::stream::iter([Ok(Bytes::from_static(b"a")), Err("the vault is away")]);
    let etag = fake::swift::md5(b"abc");
    swift.put_object("c", "new", &Headers::default(), (3, &etag), broken).await.unwrap_err();
    assert!(swift.object("c", "new").await.unwrap_err().is_gone());

    // A storm, a token that is refused.
    keystone.revoke_all("alice");
    fake.fault("PUT /c/again", Fault::Status(503), 1);
    put(swift, "again", b"abc", &[]).await.unwrap();
    keystone.revoke_all("alice");
    fake.fault("GET /c/again", Fault::Status(503), 2);
    assert_eq!(read(swift, "again", None, 0).await.unwrap(), b"abc");
    fake.break_reads(true);
    read(swift, "plain", None, 0).await.unwrap_err();
}

#[tokio::test]
async fn an_object_of_a_container_with_versions_is_its_newest_version() {
    let Cloud { swift, .. } = &cloud().await;
    swift.make_container("c", &headers(&[("x-versions-enabled", "true")])).await.unwrap();
    put(swift, "o", b"newest", &[("x-object-meta-a", "1")]).await.unwrap();
    let object = swift.object("c", "o").await.unwrap();
    assert_eq!((object.bytes, object.headers.get("x-object-meta-a")), (6, Some("1")));
    assert_eq!(object.headers.get("x-symlink-target"), None);
    assert_eq!(read(swift, "o", None, 0).await.unwrap(), b"newest");
    assert_eq!(read(swift, "o", Some(&object.etag), 2).await.unwrap(), b"west");
}

#[tokio::test]
async fn large_objects_are_manifests_and_what_they_stand_for() {
    let Cloud { fake, swift, .. } = &cloud().await;
    fake.put_container("demo-id", "c", &[]);
    for part in ["1", "2"] {
        put(swift, &format!("part/{part}"), part.as_bytes(), &[]).await.unwrap();
    }
    put(swift, "dynamic", b"", &[("x-object-manifest", "c/part/")]).await.unwrap();
    assert_eq!(fake.content("demo-id", "c", "dynamic").unwrap(), b"12");
    let dynamic = swift.object("c", "dynamic").await.unwrap();
    assert_eq!((dynamic.bytes, dynamic.dlo()), (0, Some(("c".to_owned(), "part/".to_owned()))));

    let segment = |name: &str, etag: &[u8]| Segment {
        path: Some(format!("/c/part/{name}")),
        data: None,
        etag: Some(fake::swift::md5(etag)),
        size_bytes: Some(1),
        range: None,
    };
    let both = [segment("1", b"1"), segment("2", b"2")];
    let given = headers(&[("content-type", "image/x"), ("x-object-meta-a", "1")]);
    let etag = swift.put_slo("c", "static", &given, &both).await.unwrap();
    let itself = swift.object("c", "static").await.unwrap();
    let whole = swift.large_object("c", "static").await.unwrap();
    assert!(itself.is_slo() && itself.bytes > 100);
    assert_eq!((whole.bytes, &whole.etag, whole.headers.get("content-type")), (2, &etag, Some("image/x")));
    assert_eq!(swift.segments("c", "static").await.unwrap(), both);
    let wrong = swift.put_slo("c", "wrong", &given, &[segment("1", b"2")]).await.unwrap_err();
    assert_eq!(wrong.status(), Some(StatusCode::BAD_REQUEST));
    swift.delete_object("c", "static").await.unwrap();
    assert!(fake.content("demo-id", "c", "part/1").is_some());
}
