//! The driver against the fake cloud.

use stacksnap_common::types::Consistency;

use super::Image;
use crate::driver::{Driver, Error};
use crate::drivers::openstack::lab::{self, Cloud, permanent, step};

const TYPE: &str = "OS::Glance::WebImage";

#[tokio::test]
async fn an_image_is_kept_as_a_reference_and_looked_for_at_a_restore() {
    let mut cloud = Cloud::start().await;
    let id = cloud.glance.image("demo-id", "base", b"bytes");
    let driver = Image::new(lab::patience("nova.longest_wait"));
    let ctx = |cloud: &Cloud| cloud.ctx(step(), lab::resource("base", TYPE, &id));
    let artifact = lab::copy(&driver, ctx(&cloud)).await.unwrap();
    assert_eq!((artifact.data["captures"].as_str(), artifact.data["size"].as_u64()), (Some("reference"), Some(5)));
    assert_eq!((artifact.bytes, artifact.consistency), (0, Consistency::Application));
    assert!(artifact.digest.as_ref().unwrap().starts_with("sha512:"), "{artifact:?}");
    assert!(artifact.warnings[0].contains("itself is not copied"), "{:?}", artifact.warnings);
    assert_eq!(lab::restore(&driver, ctx(&cloud), &artifact).await.unwrap().unchanged, 1);
    assert!(lab::verify(&driver, ctx(&cloud), &artifact).await.unwrap().ok);

    cloud.glance.change(&id, |image| image.content.push(b'!'));
    let why = permanent(lab::restore(&driver, ctx(&cloud), &artifact).await);
    assert!(why.contains("has another content than then: its hash is sha512:"), "{why}");
    cloud.glance.lose(&id);
    let blockers = lab::preview(&driver, ctx(&cloud), &artifact).await.unwrap().blockers;
    assert!(blockers[0].contains("only its id was kept: upload it anew"), "{blockers:?}");
    cloud.caller.may_move = false;
    assert!(permanent(lab::restore(&driver, ctx(&cloud), &artifact).await).contains("mark unhealthy"));
    assert!(!lab::verify(&driver, ctx(&cloud), &artifact).await.unwrap().ok);
    let gone = lab::copy(&driver, ctx(&cloud)).await;
    assert!(matches!(gone, Err(Error::Gone(_))), "{gone:?}");
    lab::discard(&driver, ctx(&cloud), step(), Some(&artifact)).await.unwrap();
}

#[tokio::test]
async fn an_image_that_is_not_whole_is_waited_for_or_named() {
    let cloud = Cloud::start().await;
    let id = cloud.glance.image("demo-id", "base", b"bytes");
    let driver = Image::new(lab::patience("nova.longest_wait"));
    let ctx = || cloud.ctx(step(), lab::resource("base", TYPE, &id));
    cloud.glance.change(&id, |image| image.status = "importing".to_owned());
    cloud.glance.asked();
    let (copied, ()) = tokio::join!(lab::copy(&driver, ctx()), async {
        lab::until(|| !cloud.glance.asked().is_empty()).await;
        cloud.glance.change(&id, |image| image.status = "active".to_owned());
    });
    copied.unwrap();
    cloud.glance.change(&id, |image| image.status = "deactivated".to_owned());
    assert_eq!(driver.check(&ctx()).await.unwrap().warnings.len(), 1);
    let copied = lab::copy(&driver, ctx()).await;
    assert!(matches!(copied, Err(Error::Unreadable(_))), "{copied:?}");
}
