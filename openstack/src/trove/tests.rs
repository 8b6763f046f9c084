//! The client against the fake Trove.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::{NewBackup, NewInstance, Trove};
use crate::fake::trove::{Ends, Fault, Quota, Swift};
use crate::{Credentials, Domain, Error, Http, Scope, Session, Settings, StatusCode, User, fake, http};

struct Cloud {
    keystone: fake::Keystone,
    fake: fake::Trove,
    trove: Trove,
}

fn session(keystone: &fake::Keystone, user: &str, project: &str) -> Session {
    let domain = Domain::Id("default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name(user.to_owned(), domain.clone()),
        password: format!("secret-of-{user}").into(),
        scope: Scope::Project(project.to_owned(), domain),
    };
    let http = Http::new(http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() }).unwrap();
    Session::new(http, keystone.url(), credentials, Settings::default()).unwrap()
}

async fn cloud() -> Cloud {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = fake::Keystone::start().await;
    keystone.grant("alice", "demo", &["member"]);
    keystone.grant("admin", "admin", &["admin"]);
    let fake = fake::Trove::start(&keystone).await;
    let trove = Trove::new(session(&keystone, "alice", "demo"));
    Cloud { keystone, fake, trove }
}

fn new_backup(instance: &str, parent: Option<&str>) -> NewBackup {
    NewBackup {
        name: "b".to_owned(),
        description: "ours".to_owned(),
        instance: instance.to_owned(),
        parent_id: parent.map(str::to_owned),
    }
}

fn said(error: &Error, status: StatusCode, text: &str) {
    assert!(error.status() == Some(status) && error.to_string().contains(text), "{error}");
}

#[tokio::test]
async fn a_backup_is_made_of_an_instance_and_an_instance_from_it() {
    let Cloud { fake, trove, .. } = &cloud().await;
    let id = fake.instance("demo-id", b"rows");
    fake.hold();
    let backup = trove.create_backup(&new_backup(&id, None)).await.unwrap();
    assert_eq!((backup.status.as_str(), backup.size, backup.description.as_str()), ("NEW", None, "ours"));
    let busy = trove.create_backup(&new_backup(&id, None)).await.unwrap_err();
    said(&busy, StatusCode::UNPROCESSABLE_ENTITY, "(instance status was BACKUP)");
    assert_eq!(trove.instance(&id).await.unwrap().status, "BACKUP");
    said(&trove.delete_backup(&backup.id).await.unwrap_err(), StatusCode::UNPROCESSABLE_ENTITY, "it is running");
    fake.release();
    let backup = trove.backup(&backup.id).await.unwrap();
    assert_eq!((backup.status.as_str(), backup.size), ("COMPLETED", Some(0.14)));

    let of = trove.instance(&id).await.unwrap();
    assert_eq!(
        (of.flavor.as_str(), of.volume.as_ref().map(|it| it.size), of.status.as_str()),
        ("6", Some(2), "ACTIVE")
    );
    let new = NewInstance {
        name: "again".to_owned(),
        flavor: of.flavor,
        volume: Some(2),
        datastore: of.datastore,
        backup: backup.id.clone(),
        network: of.addresses[0].network.clone(),
        configuration: Some("c".to_owned()),
        ..NewInstance::default()
    };
    fake.write(&id, b"other rows");
    let made = trove.create_instance(&new).await.unwrap();
    assert_eq!(made.status, "BUILD");
    trove.rename_instance(&made.id, "better").await.unwrap();
    let made = trove.instance(&made.id).await.unwrap();
    assert_eq!(
        (made.name.as_str(), made.status.as_str(), made.configuration.unwrap().id),
        ("better", "ACTIVE", "c".into())
    );
    assert_eq!(fake.content(&made.id).unwrap(), b"rows");
    assert_eq!(trove.instances_named("better").await.unwrap().len(), 1);
    trove.delete_instance(&made.id).await.unwrap();
    assert!(trove.instance(&made.id).await.unwrap_err().is_gone());
    trove.delete_instance(&made.id).await.unwrap();
}

#[tokio::test]
async fn what_is_built_on_a_backup_goes_with_it() {
    let Cloud { fake, trove, .. } = &cloud().await;
    let id = fake.instance("demo-id", b"rows");
    let first = trove.create_backup(&new_backup(&id, None)).await.unwrap();
    let second = trove.create_backup(&new_backup(&id, Some(&first.id))).await.unwrap();
    assert_eq!(second.parent_id.as_deref(), Some(first.id.as_str()));
    fake.foreign_backup(&id, Some(&second.id));
    let other = fake.foreign_backup(&id, None);
    trove.delete_backup(&first.id).await.unwrap();
    let left = trove.backups_of(&id).await.unwrap();
    assert_eq!(left.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [other.as_str()]);
    fake.ends(Ends::DeleteFailed);
    trove.delete_backup(&other).await.unwrap();
    assert_eq!(trove.backup(&other).await.unwrap().status, "DELETE_FAILED");
}

#[tokio::test]
async fn lists_have_all_pages_and_only_what_the_caller_may_see() {
    let Cloud { keystone, fake, trove } = &cloud().await;
    let (id, theirs) = (fake.instance("demo-id", b"rows"), fake.instance("other-id", b"theirs"));
    for _ in 0..6 {
        fake.foreign_backup(&id, None);
        fake.instance("demo-id", b"");
    }
    let hidden = fake.foreign_backup(&theirs, None);
    fake.page(3);
    assert_eq!(trove.all_backups(false).await.unwrap().len(), 6);
    assert_eq!((trove.backups_of(&id).await.unwrap().len(), trove.backups_of(&theirs).await.unwrap().len()), (6, 0));
    assert_eq!(trove.all_instances(false).await.unwrap().len(), 7);
    said(&trove.backup(&hidden).await.unwrap_err(), StatusCode::NOT_FOUND, "cannot be found");
    said(&trove.instance(&theirs).await.unwrap_err(), StatusCode::NOT_FOUND, "cannot be found");
    assert_eq!(trove.all_backups(true).await.unwrap_err().status(), Some(StatusCode::FORBIDDEN));
    let admin = Trove::new(session(keystone, "admin", "admin"));
    assert_eq!((admin.all_backups(true).await.unwrap().len(), admin.all_instances(true).await.unwrap().len()), (7, 8));
}

#[tokio::test]
async fn refusals_are_told_in_trove_s_words() {
    let Cloud { fake, trove, .. } = &cloud().await;
    let id = fake.instance("demo-id", b"rows");
    for (swift, status, text) in [
        (Swift::Refuses, StatusCode::UNAUTHORIZED, "Swift account not accessible for tenant demo-id"),
        (Swift::Missing, StatusCode::NOT_FOUND, "Swift is disabled for tenant demo-id"),
        (Swift::Away, StatusCode::INTERNAL_SERVER_ERROR, "Cannot connect to Swift"),
    ] {
        fake.swift(swift);
        said(&trove.create_backup(&new_backup(&id, None)).await.unwrap_err(), status, text);
    }
    fake.swift(Swift::There);
    fake.quota(Quota { backups: 0, instances: 1 });
    let full = trove.create_backup(&new_backup(&id, None)).await.unwrap_err();
    said(&full, StatusCode::PAYLOAD_TOO_LARGE, "Quota exceeded for resources: ['backups']");
    fake.fault("POST /backups", Fault::Status(503), 1);
    assert!(trove.create_backup(&new_backup(&id, None)).await.unwrap_err().is_transient());
}
