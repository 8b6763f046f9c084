//! What is kept of objects, what a restore does to them, and what it leaves alone.

use stacksnap_common::types::Consistency;

use super::lab::{Lab, NAME, PROJECT};
use crate::drivers::openstack::lab::step;

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_and_what_is_as_it_was_is_not_touched() {
    let lab = Lab::start().await;
    lab.fill().await;
    let before = lab.shown();
    let artifact = lab.copy().await.unwrap();
    assert_eq!(artifact.consistency, Consistency::Crash, "{:?}", artifact.warnings);
    assert_eq!(artifact.warnings, Vec::<String>::new());
    assert!(lab.verify(&artifact).await.ok);

    // Nothing to do, and nothing done.
    let plan = lab.preview(&artifact).await.unwrap();
    assert_eq!((plan.creates, plan.overwrites, plan.removes), (0, 0, 0), "{plan:?}");
    lab.swift.asked();
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.asked("PUT"), Vec::<String>::new());

    lab.put("a", b"another");
    lab.put("new", b"extra");
    lab.put("a/b", b"content of a/b");
    lab.swift.remove(PROJECT, NAME, "a-nested");
    lab.swift.remove(PROJECT, NAME, "static");
    lab.swift.remove(PROJECT, NAME, "parts/1");
    lab.swift.remove(PROJECT, "elsewhere", "dyn/1");
    lab.swift.put(PROJECT, "elsewhere", "dyn/3", b"an extra part", &[]);
    lab.swift.put(PROJECT, "elsewhere", "unrelated", b"not ours", &[]);
    lab.swift.put(PROJECT, "elsewhere", "seg/1", b"another part", &[]);
    lab.swift.change(PROJECT, NAME, "typed", |object| {
        object.headers.insert("content-type".to_owned(), b"text/other".to_vec());
        object.headers.remove("x-object-meta-a");
    });
    let plan = lab.preview(&artifact).await.unwrap();
    let sample = plan.sample.join("\n");
    for line in [
        "create a-nested",
        "create parts/1",
        "create static",
        "overwrite a",
        "remove new",
        "create elsewhere/dyn/1 (a segment in another container)",
        "remove elsewhere/dyn/3 (a segment in another container)",
        "overwrite elsewhere/seg/1 (a segment in another container)",
        "set metadata of typed (content-type, x-object-meta-a)",
    ] {
        assert!(sample.lines().any(|found| found == line), "{line}: {sample}");
    }
    assert_eq!((plan.creates, plan.overwrites, plan.removes), (4, 3, 2), "{sample}");
    lab.swift.asked();
    let did = lab.restore(&artifact).await.unwrap();
    assert_eq!((did.creates, did.overwrites, did.removes), (4, 3, 2), "{did:?}");
    let mut written = lab.asked("PUT");
    written.sort();
    // Tried once before what it is made of was there.
    written.dedup();
    // Written anew with the same bytes, `a/b` is as it was.
    assert_eq!(written, ["a", "a-nested", "parts/1", "static"]);
    let mut after = lab.shown();
    after.retain(|line| !line.starts_with("unrelated"));
    assert_eq!(after, before);
    assert_eq!(lab.content("a-nested").unwrap(), b"twooneone");
    assert_eq!(lab.content("far").unwrap(), b"dyn/1dyn/2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_copy_asks_only_for_what_has_changed() {
    let lab = Lab::start().await;
    for number in 0..600 {
        lab.put(&format!("log/{number:04}"), format!("line {number}").as_bytes());
    }
    let first = lab.copy().await.unwrap();
    assert_eq!((first.files, lab.asked("GET").len()), (600, 600));
    lab.put("log/0300", b"changed");
    lab.put("log/0300a", b"new");
    lab.swift.remove(PROJECT, NAME, "log/0001");
    lab.swift.change(PROJECT, NAME, "log/0002", |object| {
        object.headers.insert("x-object-meta-a".to_owned(), b"1".to_vec());
    });
    let second = lab.copy().await.unwrap();
    let asked = lab.asked("GET");
    assert!(asked.len() < 10 && asked.contains(&"log/0300".to_owned()), "{asked:?}");
    assert_eq!(second.files, 600);
    lab.restore(&first).await.unwrap();
    assert_eq!(lab.content("log/0001").unwrap(), b"line 1");
    assert_eq!(lab.content("log/0300a"), None);
    lab.restore(&second).await.unwrap();
    assert_eq!((lab.content("log/0001"), lab.content("log/0300").unwrap()), (None, b"changed".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_gone_is_made_again_with_all_its_headers() {
    let lab = Lab::start().await;
    lab.fill().await;
    lab.swift.change_container(PROJECT, NAME, |headers| {
        headers.insert("x-storage-policy".to_owned(), b"silver".to_vec());
        headers.insert("x-container-meta-temp-url-key".to_owned(), b"a-secret-of-mine".to_vec());
        headers.insert("x-container-meta-quota-bytes".to_owned(), b"100000".to_vec());
    });
    let before = lab.shown();
    let artifact = lab.copy().await.unwrap();
    assert!(!serde_json::to_string(&artifact).unwrap().contains("a-secret-of-mine"));
    lab.swift.lose_container(PROJECT, NAME);
    lab.swift.lose_container(PROJECT, "elsewhere");
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.sample.iter().any(|line| line == "create container files"), "{plan:?}");
    assert!(plan.sample.iter().any(|line| line == "create container elsewhere, for segments"), "{plan:?}");
    assert!(!format!("{plan:?}").contains("a-secret-of-mine"));
    lab.restore(&artifact).await.unwrap();
    // `other` is no segment of anything.
    let before: Vec<_> = before.into_iter().filter(|line| !line.starts_with("other:")).collect();
    assert_eq!(lab.shown(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_quotas_are_out_of_the_way_while_objects_are_written() {
    for way in ["x-versions-location", "x-history-location"] {
        let lab = Lab::start().await;
        lab.swift.put_container(PROJECT, "versions", &[]);
        lab.put("one", b"1");
        lab.put("two", b"22");
        lab.swift.change_container(PROJECT, NAME, |headers| {
            headers.insert(way.to_owned(), b"versions".to_vec());
            headers.insert("x-container-meta-quota-bytes".to_owned(), b"3".to_vec());
        });
        let before = lab.shown();
        let artifact = lab.copy().await.unwrap();
        assert!(artifact.warnings[0].contains("older versions of objects, in container versions, are not copied"));
        lab.swift.remove(PROJECT, NAME, "two");
        lab.put("one", b"x");
        lab.put("extra", b"y");
        lab.restore(&artifact).await.unwrap();
        assert_eq!(lab.shown(), before, "{way}");
        assert_eq!(lab.swift.shown(PROJECT, "versions").unwrap().len(), 1, "{way}: nothing became an old version");
    }
}

/// Each object is a link to its newest version there: what is kept is the object.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_keeps_versions_by_itself_comes_back_without_the_old_ones() {
    let lab = Lab::start().await;
    lab.swift.change_container(PROJECT, NAME, |headers| {
        headers.insert("x-versions-enabled".to_owned(), b"True".to_vec());
    });
    let calls = crate::drivers::swift::call::Calls::open(&lab.ctx(step())).await.unwrap();
    let put = async |name: &str, content: &'static [u8]| {
        let etag = stacksnap_openstack::fake::swift::md5(content);
        let body = || futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(content))]);
        let headers = Default::default();
        calls.swift.put_object(NAME, name, &headers, (content.len() as u64, &etag), body).await.unwrap();
    };
    put("one", b"1").await;
    put("two", b"22").await;
    let before = lab.shown();
    let artifact = lab.copy().await.unwrap();
    assert_eq!((artifact.bytes, artifact.files), (3, 2));
    assert!(artifact.warnings[0].contains("older versions of objects are not copied"));
    put("one", b"x").await;
    lab.swift.remove(PROJECT, NAME, "two");
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.shown(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_it_is_copied_is_read_again_or_named() {
    let lab = Lab::start().await;
    lab.put("calm", b"1");
    lab.put("hot", b"1");
    // Changed once, after it was read: the second pass finds it so.
    lab.swift.stale();
    lab.put("hot", b"2");
    let artifact = lab.copy().await.unwrap();
    assert_eq!(artifact.consistency, Consistency::Crash, "the listing was behind, the objects were not");
    lab.put("hot", b"3");
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content("hot").unwrap(), b"2");

    let lab = Lab::start().await;
    for number in 0..200 {
        lab.put(&format!("calm/{number:03}"), b"1");
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let writer = async {
        let mut round = 0_u32;
        while !stop.is_cancelled() {
            round += 1;
            lab.put("hot", &round.to_be_bytes());
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let copying = async {
        let artifact = lab.copy().await;
        stop.cancel();
        artifact.unwrap()
    };
    let (artifact, ()) = tokio::join!(copying, writer);
    assert_eq!(artifact.consistency, Consistency::None);
    assert!(
        artifact.warnings.iter().any(|why| why.contains("changed while it was copied") && why.ends_with(" hot")),
        "{:?}",
        artifact.warnings
    );
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content("hot").unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_swift_was_to_delete_by_now_is_not_made_again() {
    let mut lab = Lab::start().await;
    lab.put("kept", b"1");
    lab.put_with("short", b"2", &[("X-Delete-At", "4000000000")]);
    let artifact = lab.copy().await.unwrap();
    lab.swift.remove(PROJECT, NAME, "short");
    lab.restore(&artifact).await.unwrap();
    assert!(lab.content("short").is_some());
    lab.swift.remove(PROJECT, NAME, "short");
    lab.now = 4_000_000_001;
    let did = lab.restore(&artifact).await.unwrap();
    assert!(did.notes[0].contains("1 objects were to be deleted by Swift"), "{did:?}");
    assert_eq!(lab.content("short"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_and_is_not_there_is_named() {
    let lab = Lab::start().await;
    lab.put("kept", b"1");
    lab.put_with("over", b"2", &[("X-Delete-At", "1000000")]);
    let artifact = lab.copy().await.unwrap();
    assert_eq!((artifact.files, artifact.consistency), (1, Consistency::Crash));
    assert_eq!(artifact.warnings, ["over is in the listing and is not there"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_storage_policy_is_named_and_left() {
    let lab = Lab::start().await;
    lab.put("one", b"1");
    let artifact = lab.copy().await.unwrap();
    lab.swift.lose_container(PROJECT, NAME);
    lab.swift.put_container(PROJECT, NAME, &[("X-Storage-Policy", "silver")]);
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.notes[0].contains("differs: the storage policy is silver, and was gold; not changed"), "{plan:?}");
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content("one").unwrap(), b"1");
}
