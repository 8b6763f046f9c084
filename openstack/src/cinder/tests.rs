//! The client against the fake Cinder: pages, versions, what is sent twice and what is not.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::{Cinder, NewBackup, NewSnapshot, NewVolume};
use crate::fake;
use crate::fake::cinder::Fault;
use crate::{Credentials, Domain, Http, Scope, Session, Settings, StatusCode, User, http};

struct Cloud {
    _keystone: fake::Keystone,
    fake: fake::Cinder,
    cinder: Cinder,
}

async fn cloud() -> Cloud {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = fake::Keystone::start().await;
    keystone.grant("alice", "demo", &["member"]);
    let fake = fake::Cinder::start(&keystone).await;
    let domain = Domain::Id("default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name("alice".to_owned(), domain.clone()),
        password: "secret-of-alice".into(),
        scope: Scope::Project("demo".to_owned(), domain),
    };
    let http = Http::new(http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() }).unwrap();
    let session = Session::new(http, keystone.url(), credentials, Settings::default()).unwrap();
    Cloud { _keystone: keystone, fake, cinder: Cinder::new(session) }
}

fn backup(volume: &str, incremental: bool) -> NewBackup {
    NewBackup {
        volume_id: volume.to_owned(),
        name: "b".to_owned(),
        description: String::new(),
        incremental,
        force: true,
        snapshot_id: None,
        metadata: [("a".to_owned(), "1".to_owned())].into(),
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let Cloud { fake, cinder, .. } = &cloud().await;
    for _ in 0..1001 {
        let id = fake.volume("demo-id", b"");
        fake.change(&id, |volume| volume.name = Some("same".to_owned()));
    }
    let other = fake.volume("demo-id", b"");
    let found = cinder.volumes_named("same").await.unwrap();
    assert_eq!(found.len(), 1001);
    assert!(found.iter().all(|volume| volume.id != other));
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn a_volume_goes_through_all_that_can_be_made_of_it() {
    let Cloud { fake, cinder, .. } = &cloud().await;
    let new = NewVolume { size: 1, name: "v".to_owned(), ..NewVolume::default() };
    let id = cinder.create_volume(&new).await.unwrap().id;
    fake.write(&id, b"one");
    let volume = cinder.volume(&id).await.unwrap();
    assert_eq!((volume.status.as_str(), volume.size, volume.bootable), ("available", 1, false));
    assert_eq!(volume.project.as_deref(), Some("demo-id"));
    cinder.set_bootable(&id, true).await.unwrap();
    cinder.set_metadata(&id, &[("k".to_owned(), "v".to_owned())].into()).await.unwrap();
    cinder.rename_volume(&id, "w", "d").await.unwrap();
    let volume = cinder.volume(&id).await.unwrap();
    assert_eq!((volume.bootable, volume.name.as_str(), volume.metadata["k"].as_str()), (true, "w", "v"));

    let first = cinder.create_backup(&backup(&id, false)).await.unwrap();
    assert_eq!(cinder.backup(&first).await.unwrap().status, "available");
    let second = cinder.create_backup(&backup(&id, true)).await.unwrap();
    assert!(cinder.backup(&second).await.unwrap().is_incremental);
    assert!(cinder.backup(&first).await.unwrap().has_dependent_backups);
    let refused = cinder.delete_backup(&first).await.unwrap_err();
    assert!(refused.to_string().contains("Incremental backups exist for this backup"), "{refused}");
    cinder.mark_backup(&first, &[("b".to_owned(), "2".to_owned())].into()).await.unwrap();
    assert_eq!(cinder.backup(&first).await.unwrap().metadata.len(), 1);
    fake.write(&id, b"damage");
    cinder.restore_backup(&second, &id).await.unwrap();
    assert_eq!(fake.content(&id).unwrap(), b"one");
    for id in [&second, &first, &first] {
        cinder.delete_backup(id).await.unwrap();
    }
    assert!(cinder.backups_of(&id).await.unwrap().is_empty());

    let new = NewSnapshot {
        volume_id: id.clone(),
        name: "s".to_owned(),
        description: String::new(),
        force: true,
        metadata: Default::default(),
    };
    let snapshot = cinder.create_snapshot(&new).await.unwrap().id;
    fake.write(&id, b"damage");
    cinder.revert(&id, &snapshot).await.unwrap();
    assert_eq!(fake.content(&id).unwrap(), b"one");
    let refused = cinder.delete_volume(&id).await.unwrap_err();
    assert!(refused.to_string().contains("have snapshots"), "{refused}");
    cinder.delete_snapshot(&snapshot).await.unwrap();
    cinder.delete_volume(&id).await.unwrap();
    assert!(cinder.volume(&id).await.unwrap_err().is_gone());
}

#[tokio::test]
async fn what_makes_something_is_sent_once() {
    let Cloud { fake, cinder, .. } = &cloud().await;
    let id = fake.volume("demo-id", b"");
    fake.fault("POST /backups", Fault::Lost, 1);
    cinder.create_backup(&backup(&id, false)).await.unwrap_err();
    fake.fault("POST /backups", Fault::Status(503), 1);
    cinder.create_backup(&backup(&id, false)).await.unwrap_err();
    assert_eq!(fake.backups().len(), 1);
    // What only asks is asked again.
    fake.fault("GET", Fault::CutOff, 1);
    fake.fault("GET", Fault::Status(503), 1);
    cinder.volume(&id).await.unwrap();
    fake.fault("GET", Fault::Busy(1), 1);
    cinder.volume(&id).await.unwrap();
    fake.fault("GET", Fault::Busy(60), 1);
    let busy = cinder.volume(&id).await.unwrap_err();
    assert_eq!((busy.status(), busy.after()), (Some(StatusCode::TOO_MANY_REQUESTS), Some(Duration::from_secs(60))));
}
