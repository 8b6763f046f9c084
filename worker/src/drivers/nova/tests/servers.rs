//! What is a server's own: what stays when it is rebuilt, volumes, boot from a volume.

use stacksnap_common::types::Consistency;
use stacksnap_openstack::fake::nova::Ends;

use super::lab::{CONTENT, Lab};
use crate::driver::Error;
use crate::drivers::openstack::lab::{permanent, step, until};

#[tokio::test]
async fn an_image_says_whose_it_is() {
    let lab = Lab::start().await;
    let step = step();
    lab.copy(step).await.unwrap();
    let image = lab.images().remove(0);
    assert_eq!(image.name, format!("stacksnap-{step}"));
    let ctx = lab.ctx(step);
    for (name, value) in [
        ("stacksnap_project", "demo-id".to_owned()),
        ("stacksnap_resource", "web".to_owned()),
        ("stacksnap_snapshot", ctx.snapshot.unwrap().to_string()),
        ("stacksnap_stack", ctx.stack.to_string()),
        ("stacksnap_step", step.to_string()),
        ("instance_uuid", lab.server.clone()),
    ] {
        assert_eq!(image.properties.get(name), Some(&value), "{name}");
    }
}

#[tokio::test]
async fn a_server_is_rebuilt_and_all_else_about_it_stays() {
    let lab = Lab::start().await;
    let volume = lab.cinder.volume("demo-id", b"data");
    lab.nova.attach(&lab.server, &volume, "/dev/vdb");
    let artifact = lab.copy(step()).await.unwrap();
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.blockers.is_empty() && plan.overwrites == 1, "{plan:?}");
    assert!(plan.sample[0].contains(&format!("rebuild server {} (web) from image", lab.server)), "{plan:?}");
    let attached = lab.nova.attached(&lab.server);
    // Twice: a second restore restores again.
    for round in 1..=2 {
        lab.nova.write(&lab.server, b"damage");
        let did = lab.restore(&artifact).await.unwrap();
        assert_eq!((did.overwrites, lab.content()), (1, CONTENT.to_vec()));
        let server = lab.nova.look(&lab.server, Clone::clone).unwrap();
        assert_eq!((server.rebuilt, server.name.as_str(), server.metadata["role"].as_str()), (round, "web", "web"));
        assert_eq!((server.user_data.as_deref(), server.vm_state.as_str()), (Some("I2Nsb3Vk"), "active"));
        assert_eq!(lab.nova.attached(&lab.server), attached);
    }
    // One that is off is off again.
    lab.nova.change(&lab.server, |server| server.vm_state = "stopped".to_owned());
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.nova.look(&lab.server, |server| server.vm_state.clone()).unwrap(), "stopped");
}

/// Glance has it before Nova is done with the server: an order in between would be refused.
#[tokio::test]
async fn a_copy_is_over_only_when_the_server_takes_orders_again() {
    let lab = Lab::start().await;
    lab.copy(step()).await.unwrap();
    let task = lab.nova.look(&lab.server, |server| server.task_state.clone()).unwrap();
    assert_eq!(task, None);
}

#[tokio::test]
async fn a_server_that_boots_from_a_volume_is_its_volumes() {
    let mut lab = Lab::start().await;
    let (root, data) = (lab.cinder.volume("demo-id", b"root"), lab.cinder.volume("demo-id", b"data"));
    lab.server = lab.nova.server_from("demo-id", &root);
    lab.nova.attach(&lab.server, &data, "/dev/vdb");
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    let why = artifact.why.clone().unwrap();
    assert!(!artifact.protected && why.contains(&format!("({root} (/dev/vda), {data} (/dev/vdb))")), "{why}");
    assert!(why.contains("OS::Cinder::Volume"), "{why}");
    assert!(lab.images().is_empty());
    let checked = lab.driver().check(&lab.ctx(step)).await.unwrap();
    assert_eq!(checked.warnings, [why]);
    lab.discard(step, None).await.unwrap();
}

#[tokio::test]
async fn a_rebuild_waits_for_volumes_that_come_or_go() {
    let lab = Lab::start().await;
    let volume = lab.cinder.volume("demo-id", b"data");
    lab.nova.attach(&lab.server, &volume, "/dev/vdb");
    let artifact = lab.copy(step()).await.unwrap();
    lab.cinder.change(&volume, |volume| volume.status = "backing-up".to_owned());
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.blockers.is_empty() && plan.notes.iter().any(|note| note.contains("is backing-up")), "{plan:?}");
    lab.nova.write(&lab.server, b"damage");
    lab.nova.asked();
    let (restored, ()) = tokio::join!(lab.restore(&artifact), async {
        until(|| lab.nova.asked().iter().any(|asked| asked.path.ends_with("os-volume_attachments"))).await;
        assert_eq!(lab.content(), b"damage");
        lab.cinder.change(&volume, |volume| volume.status = "in-use".to_owned());
    });
    restored.unwrap();
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn an_image_made_again_after_the_cut_is_of_no_point_in_time() {
    let lab = Lab::start().await;
    lab.nova.ends(Ends::ImageDeleted);
    let artifact = lab.copy(step()).await.unwrap();
    assert_eq!((artifact.consistency, lab.images().len()), (Consistency::None, 1));
    assert!(artifact.warnings[0].contains("made after the snapshot's moment"), "{:?}", artifact.warnings);
}

#[tokio::test]
async fn a_server_that_is_gone_is_no_rebuild_s_to_bring_back() {
    let mut lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.nova.lose_server(&lab.server);
    let image = artifact.data["image"].as_str().unwrap();
    let blockers = lab.preview(&artifact).await.unwrap().blockers;
    let what = format!("openstack server create --image {image} --flavor m1.tiny");
    assert!(blockers[0].contains("is gone") && blockers[0].contains(&what), "{blockers:?}");
    assert!(permanent(lab.restore(&artifact).await).contains(&what));
    lab.cloud.caller.may_move = false;
    assert!(permanent(lab.restore(&artifact).await).contains("mark unhealthy"));
    let checked = lab.driver().check(&lab.ctx(step())).await;
    assert!(matches!(checked, Err(Error::Gone(_))), "{checked:?}");
}
