//! The client against the fake Manila: versions, pages, what is made and changed, what is refused and in which words.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::{Manila, NewShare, NewSnapshot};
use crate::fake::manila::{Can, Delays, Ends, Fault, Quota};
use crate::{Credentials, Domain, Http, Scope, Session, Settings, StatusCode, User, fake, http};

struct Cloud {
    _keystone: fake::Keystone,
    fake: fake::Manila,
    manila: Manila,
}

async fn cloud() -> Cloud {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = fake::Keystone::start().await;
    keystone.grant("alice", "demo", &["member"]);
    let fake = fake::Manila::start(&keystone).await;
    let manila = client(&keystone);
    Cloud { _keystone: keystone, fake, manila }
}

fn client(keystone: &fake::Keystone) -> Manila {
    let domain = Domain::Id("default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name("alice".to_owned(), domain.clone()),
        password: "secret-of-alice".into(),
        scope: Scope::Project("demo".to_owned(), domain),
    };
    let http = Http::new(http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() }).unwrap();
    Manila::new(Session::new(http, keystone.url(), credentials, Settings::default()).unwrap())
}

fn snapshot(share: &str) -> NewSnapshot {
    NewSnapshot {
        share_id: share.to_owned(),
        name: "s".to_owned(),
        description: "d".to_owned(),
        metadata: [("a".to_owned(), "1".to_owned())].into(),
    }
}

fn from(snapshot: &str, size: u64) -> NewShare {
    NewShare {
        share_proto: "NFS".to_owned(),
        size,
        snapshot_id: snapshot.to_owned(),
        name: "n".to_owned(),
        description: String::new(),
        metadata: Default::default(),
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let Cloud { fake, manila, .. } = &cloud().await;
    for _ in 0..501 {
        let id = fake.share("demo-id", b"");
        fake.change(&id, |share| share.name = Some("same".to_owned()));
    }
    fake.share("demo-id", b"");
    assert_eq!(manila.shares_named("same").await.unwrap().len(), 501);
    assert_eq!(fake.asked().len(), 2);
    let other = fake.share("other-id", b"");
    assert_eq!(manila.all_shares(false).await.unwrap().len(), 502);
    assert!(manila.share(&other).await.unwrap_err().is_gone());
}

#[tokio::test]
async fn a_share_goes_through_all_that_can_be_made_of_it() {
    let Cloud { fake, manila, .. } = &cloud().await;
    let id = fake.share("demo-id", b"one");
    let taken = manila.create_snapshot(&snapshot(&id)).await.unwrap().id;
    let shown = manila.snapshot(&taken).await.unwrap();
    assert_eq!(
        (shown.status.as_str(), shown.share_id.as_str(), shown.metadata["a"].as_str()),
        ("available", &*id, "1")
    );
    assert_eq!(shown.project.as_deref(), Some("demo-id"));
    let refused = manila.delete_share(&id).await.unwrap_err().to_string();
    assert!(refused.contains("403") && refused.contains("Share still has 1 dependent snapshots"), "{refused}");

    fake.write(&id, b"damage");
    manila.extend(&id, 3).await.unwrap();
    assert_eq!(manila.share(&id).await.unwrap().size, 3);
    manila.revert(&id, &taken).await.unwrap();
    assert_eq!((fake.content(&id).unwrap(), manila.share(&id).await.unwrap().size), (b"one".to_vec(), 1));
    let newer = manila.create_snapshot(&snapshot(&id)).await.unwrap().id;
    let refused = manila.revert(&id, &taken).await.unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::CONFLICT));
    assert!(refused.to_string().contains(&format!("Currently the latest snapshot is {newer}")), "{refused}");

    let made = manila.create_share(&from(&taken, 2)).await.unwrap();
    assert_eq!(made.status, "creating_from_snapshot");
    assert_eq!(fake.content(&made.id).unwrap(), b"one");
    manila.shrink(&made.id, 1).await.unwrap();
    manila.set_share_metadata(&made.id, &[("k".to_owned(), "v".to_owned())].into()).await.unwrap();
    manila.rename_share(&made.id, "w", "x").await.unwrap();
    let shown = manila.share(&made.id).await.unwrap();
    assert_eq!((shown.size, shown.name.as_str(), shown.metadata["k"].as_str()), (1, "w", "v"));
    manila.delete_share(&made.id).await.unwrap();
    for id in [&taken, &newer, &newer] {
        manila.delete_snapshot(id).await.unwrap();
    }
    manila.delete_share(&id).await.unwrap();
    assert!(manila.share(&id).await.unwrap_err().is_gone());
}

#[tokio::test]
async fn rules_come_and_go() {
    let Cloud { fake, manila, .. } = &cloud().await;
    fake.delays(Delays { rule: Duration::from_millis(200), ..Delays::default() });
    let id = fake.share("demo-id", b"");
    manila.allow(&id, "ip", "10.0.0.1", "ro").await.unwrap();
    assert_eq!(manila.share(&id).await.unwrap().access_rules_status, "syncing");
    let taken = fake.foreign_snapshot(&id, "s");
    let refused = manila.revert(&id, &taken).await.unwrap_err().to_string();
    assert!(refused.contains("access rules that are not active"), "{refused}");
    let twice = manila.allow(&id, "ip", "10.0.0.1", "rw").await.unwrap_err().to_string();
    assert!(twice.contains("Share access ip:10.0.0.1 exists."), "{twice}");
    until(async || manila.rules(&id).await.unwrap()[0].state == "active").await;
    let rule = manila.rules(&id).await.unwrap().remove(0);
    assert_eq!((rule.access_type.as_str(), rule.access_level.as_str()), ("ip", "ro"));
    manila.deny(&id, &rule.id).await.unwrap();
    until(async || manila.rules(&id).await.unwrap().is_empty()).await;
    assert!(manila.deny(&id, &rule.id).await.unwrap_err().is_gone());
    fake.ends(Ends::RuleInError);
    manila.allow(&id, "user", "bob", "rw").await.unwrap();
    until(async || manila.share(&id).await.unwrap().access_rules_status == "error").await;
}

/// A version that the service does not know is refused before anything is done, and a better one is not asked for again.
#[tokio::test]
async fn an_older_manila_is_asked_in_its_own_version() {
    let Cloud { fake, manila, .. } = &cloud().await;
    fake.knows((2, 72));
    let id = fake.share("demo-id", b"one");
    let taken = manila.create_snapshot(&snapshot(&id)).await.unwrap();
    assert_eq!((fake.snapshots().len(), taken.metadata.len()), (1, 0));
    fake.asked();
    manila.snapshot(&taken.id).await.unwrap();
    assert_eq!(fake.asked().len(), 1);
    fake.knows((2, 44));
    let refused = manila.share(&id).await.unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::NOT_ACCEPTABLE));
    assert!(refused.to_string().contains("Version 2.45 is not supported by the API."), "{refused}");
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let Cloud { fake, manila, .. } = &cloud().await;
    let id = fake.share("demo-id", b"");
    let taken = fake.foreign_snapshot(&id, "s");
    fake.quota(Quota { shares: 1, snapshots: 1, ..Quota::default() });
    for (refused, words) in [
        (manila.create_snapshot(&snapshot(&id)).await.unwrap_err(), "Maximum number of snapshots allowed (1)"),
        (manila.create_share(&from(&taken, 1)).await.unwrap_err(), "Maximum number of shares allowed (1)"),
    ] {
        assert_eq!(refused.status(), Some(StatusCode::PAYLOAD_TOO_LARGE), "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    fake.quota(Quota::default());
    let small = manila.create_share(&from(&taken, 0)).await.unwrap_err().to_string();
    assert!(small.contains("must be equal or greater than snapshot size"), "{small}");
    fake.change(&id, |share| share.can = Can { snapshot: false, create: false, revert: false });
    for (refused, words) in [
        (manila.create_snapshot(&snapshot(&id)).await.unwrap_err(), "since it does not have that capability"),
        (manila.create_share(&from(&taken, 1)).await.unwrap_err(), "parent share does not have that capability"),
        (manila.revert(&id, &taken).await.unwrap_err(), "the share does not have that capability"),
    ] {
        assert!(refused.to_string().contains(words), "{refused}");
    }
    fake.change(&id, |share| share.can.create = true);
    fake.ends(Ends::ShareInError);
    let made = manila.create_share(&from(&taken, 1)).await.unwrap().id;
    assert_eq!(manila.share(&made).await.unwrap().status, "error");
    assert!(manila.messages(&made).await.unwrap()[0].contains("failed to create the share from snapshot"));
    fake.ends(Ends::DeleteInError);
    manila.delete_snapshot(&taken).await.unwrap();
    let stuck = manila.delete_snapshot(&taken).await.unwrap_err().to_string();
    assert!(stuck.contains("status must be one of ('available', 'error')"), "{stuck}");

    // A cloud of long ago.
    let old = fake::Keystone::start().await;
    old.grant("alice", "demo", &["member"]);
    old.list_service("share", "http://127.0.0.1:9/v1/%(project_id)s");
    let refused = client(&old).share(&id).await.unwrap_err().to_string();
    assert!(refused.contains("only the first version"), "{refused}");
}

#[tokio::test]
async fn what_makes_something_is_sent_once() {
    let Cloud { fake, manila, .. } = &cloud().await;
    let id = fake.share("demo-id", b"");
    fake.fault("POST /snapshots", Fault::Lost, 1);
    manila.create_snapshot(&snapshot(&id)).await.unwrap_err();
    fake.fault("POST /snapshots", Fault::Status(503), 1);
    manila.create_snapshot(&snapshot(&id)).await.unwrap_err();
    assert_eq!(fake.snapshots().len(), 1);
    fake.fault("GET", Fault::CutOff, 1);
    fake.fault("GET", Fault::Status(503), 1);
    manila.share(&id).await.unwrap();
}

async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..12_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never");
}
