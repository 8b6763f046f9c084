//! The client against the fake Nova, with the fake Cinder and Glance beside it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::{NewAttachment, Nova};
use crate::fake::nova::{Delays, Ends, Fault};
use crate::{Credentials, Domain, Glance, Http, Scope, Session, Settings, StatusCode, User, fake, http};

struct Cloud {
    _keystone: fake::Keystone,
    cinder: fake::Cinder,
    glance: fake::Glance,
    fake: fake::Nova,
    nova: Nova,
    images: Glance,
}

async fn cloud() -> Cloud {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = fake::Keystone::start().await;
    keystone.grant("alice", "demo", &["member"]);
    let cinder = fake::Cinder::start(&keystone).await;
    let glance = fake::Glance::start(&keystone).await;
    let fake = fake::Nova::start(&keystone, &cinder, &glance).await;
    let domain = Domain::Id("default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name("alice".to_owned(), domain.clone()),
        password: "secret-of-alice".into(),
        scope: Scope::Project("demo".to_owned(), domain),
    };
    let http = Http::new(http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() }).unwrap();
    let session = Session::new(http, keystone.url(), credentials, Settings::default()).unwrap();
    let (nova, images) = (Nova::new(session.clone()), Glance::new(session));
    Cloud { _keystone: keystone, cinder, glance, fake, nova, images }
}

fn new(volume: &str) -> NewAttachment {
    NewAttachment {
        volume: volume.to_owned(),
        device: Some("/dev/vdc".to_owned()),
        tag: Some("data".to_owned()),
        delete_on_termination: true,
    }
}

#[tokio::test]
async fn an_image_is_made_of_a_server_and_the_server_from_it() {
    let Cloud { glance, fake, nova, images, .. } = &cloud().await;
    let id = fake.server("demo-id", b"one");
    fake.hold();
    let marks = [("stacksnap_step".to_owned(), "s".to_owned())].into();
    let image = nova.create_image(&id, "i", &marks).await.unwrap();
    let (server, made) = (nova.server(&id).await.unwrap(), images.image(&image).await.unwrap());
    assert_eq!(server.task_state.as_deref(), Some("image_snapshot_pending"));
    assert_eq!((made.status.as_str(), made.size, made.property("stacksnap_step")), ("queued", None, Some("s")));
    let busy = nova.rebuild(&id, &image).await.unwrap_err();
    assert_eq!(busy.status(), Some(StatusCode::CONFLICT));
    assert!(busy.to_string().contains("while it is in task_state image_snapshot_pending"), "{busy}");
    fake.release();
    fake.write(&id, b"damage");
    let made = images.image(&image).await.unwrap();
    assert_eq!((made.status.as_str(), made.size, made.name.as_str()), ("active", Some(3), "i"));
    assert!(made.os_hash_value.is_some_and(|hash| hash.len() == 128));
    nova.rebuild(&id, &image).await.unwrap();
    let server = nova.server(&id).await.unwrap();
    assert_eq!((server.status.as_str(), server.image.as_deref()), ("ACTIVE", Some(image.as_str())));
    assert_eq!(fake.content(&id).unwrap(), b"one");

    nova.stop(&id).await.unwrap();
    assert_eq!(nova.server(&id).await.unwrap().status, "SHUTOFF");
    let off = nova.stop(&id).await.unwrap_err().to_string();
    assert!(off.contains("Cannot 'stop' instance") && off.contains("while it is in vm_state stopped"), "{off}");
    // It is off afterwards, as it was before.
    nova.rebuild(&id, &image).await.unwrap();
    assert_eq!(nova.server(&id).await.unwrap().status, "SHUTOFF");
    nova.start(&id).await.unwrap();
    nova.add_metadata(&id, "a", "1").await.unwrap();
    assert_eq!(nova.server(&id).await.unwrap().metadata["a"], "1");
    for _ in 0..2 {
        nova.remove_metadata(&id, "a").await.unwrap();
        images.delete_image(&image).await.unwrap();
    }
    assert!(images.image(&image).await.unwrap_err().is_gone());
    assert_eq!(glance.images().len(), 1, "the server's first one");
}

#[tokio::test]
async fn a_volume_comes_to_a_server_and_goes_again() {
    let Cloud { cinder, fake, nova, .. } = &cloud().await;
    fake.delays(Delays { attach: Duration::from_millis(200), ..Delays::default() });
    let (id, volume) = (fake.server("demo-id", b""), cinder.volume("demo-id", b""));
    nova.attach(&id, &new(&volume)).await.unwrap();
    let status = |volume: &str| cinder.look(volume, |volume| volume.status.clone()).unwrap();
    assert_eq!(status(&volume), "attaching");
    until(async || nova.server(&id).await.is_ok() && status(&volume) == "in-use").await;
    let found = nova.attachments(&id).await.unwrap();
    assert_eq!((found[0].volume.as_str(), found[0].device.as_deref()), (volume.as_str(), Some("/dev/vdc")));
    assert_eq!((found[0].tag.as_deref(), found[0].delete_on_termination), (Some("data"), true));
    let twice = nova.attach(&id, &new(&cinder.volume("demo-id", b""))).await.unwrap_err();
    assert!(twice.to_string().contains("The supplied device path (/dev/vdc) is in use"), "{twice}");
    nova.detach(&id, &volume).await.unwrap();
    until(async || nova.server(&id).await.is_ok() && status(&volume) == "available").await;
    assert!(nova.attachments(&id).await.unwrap().is_empty());
    assert!(nova.detach(&id, &volume).await.unwrap_err().is_gone());
}

#[tokio::test]
async fn a_server_that_boots_from_a_volume_has_no_image_and_keeps_its_root() {
    let Cloud { cinder, fake, nova, .. } = &cloud().await;
    let volume = cinder.volume("demo-id", b"root");
    let id = fake.server_from("demo-id", &volume);
    assert_eq!(nova.server(&id).await.unwrap().image, None);
    let refused = nova.detach(&id, &volume).await.unwrap_err().to_string();
    assert!(refused.contains("Cannot detach a root device volume"), "{refused}");
    let image = nova.server(&fake.server("demo-id", b"")).await.unwrap().image.unwrap();
    let refused = nova.rebuild(&id, &image).await.unwrap_err().to_string();
    assert!(refused.contains("Unable to rebuild with a different image for a volume-backed server"), "{refused}");
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let Cloud { fake, nova, glance, images, .. } = &cloud().await;
    let id = fake.server("demo-id", b"");
    fake.change(&id, |server| server.locked = Some("maintenance".to_owned()));
    let server = nova.server(&id).await.unwrap();
    assert_eq!((server.locked, server.locked_reason.as_deref()), (true, Some("maintenance")));
    assert!(nova.stop(&id).await.unwrap_err().to_string().contains(&format!("Instance {id} is locked")));
    fake.change(&id, |server| server.locked = None);
    let missing = nova.rebuild(&id, "nope").await.unwrap_err().to_string();
    assert!(missing.contains("Cannot find image for rebuild"), "{missing}");
    fake.ends(Ends::RebuildInError);
    nova.rebuild(&id, &glance.image("demo-id", "i", b"x")).await.unwrap();
    let server = nova.server(&id).await.unwrap();
    assert!(server.status == "ERROR" && server.fault.unwrap().message.contains("no room on the host"));
    assert!(nova.server(&fake.server("other-id", b"")).await.unwrap_err().is_gone());
    let kept = glance.image("demo-id", "kept", b"x");
    glance.change(&kept, |image| image.protected = true);
    let refused = images.delete_image(&kept).await.unwrap_err().to_string();
    assert!(refused.contains("403") && refused.contains("is protected and cannot be deleted."), "{refused}");
}

/// An image is begun once, whatever becomes of the answer.
#[tokio::test]
async fn what_makes_something_is_sent_once() {
    let Cloud { fake, nova, glance, .. } = &cloud().await;
    let id = fake.server("demo-id", b"");
    fake.fault("POST", Fault::Lost, 1);
    nova.create_image(&id, "i", &Default::default()).await.unwrap_err();
    fake.fault("POST", Fault::Status(503), 1);
    nova.create_image(&id, "i", &Default::default()).await.unwrap_err();
    assert_eq!(glance.images().iter().filter(|image| image.name == "i").count(), 1);
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
