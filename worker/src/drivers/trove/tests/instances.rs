//! What is an instance's own: another one is made as it was, and the old one stays.

use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::types::{Consistency, Resource};

use super::lab::{CONTENT, Lab, backup};
use crate::driver::Error;
use crate::drivers::openstack::lab::{self, copy, permanent, restore, step, until};

#[tokio::test]
async fn a_backup_says_whose_it_is() {
    let lab = Lab::start(1).await;
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    let ctx = lab.ctx(step);
    let made = &lab.trove.backups()[0];
    assert_eq!(made.name, format!("stacksnap-{step}"));
    let (stack, snapshot) = (ctx.stack, ctx.snapshot.unwrap());
    let expected = format!(
        "made by stacksnap, which removes it: project demo-id, stack {stack}, snapshot {snapshot}, resource db"
    );
    assert_eq!(made.description.as_ref(), Some(&expected));
    assert_eq!((artifact.consistency, artifact.bytes), (Consistency::Application, 150_323_855));
}

/// Trove takes 255 characters.
#[tokio::test]
async fn a_resource_with_a_long_name_is_found_by_what_there_is_room_for() {
    let lab = Lab::start(1).await;
    let (step, name) = (step(), "ü".repeat(255));
    let ctx = |step| {
        let mut ctx = lab.ctx(step);
        ctx.resource = Arc::new(Resource { name: name.parse().unwrap(), ..lab.resource() });
        ctx
    };
    let artifact = copy(&*lab.driver(), ctx(step)).await.unwrap();
    copy(&*lab.driver(), ctx(step)).await.unwrap();
    assert_eq!(lab.backups().len(), 1);
    restore(&*lab.driver(), ctx(lab::step()), &artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    lab.discard(step, None).await.unwrap();
    assert!(lab.backups().is_empty());
}

#[tokio::test]
async fn another_instance_is_made_as_the_old_one_was_which_stays() {
    let lab = Lab::start(1).await;
    lab.trove.change(&lab.instance, |it| {
        it.configuration = Some("c0ffee".to_owned());
        it.size = 5;
        it.locality = Some("affinity".to_owned());
        it.public = true;
        it.allowed_cidrs = vec!["10.0.0.0/8".to_owned()];
    });
    let mut ctx = lab.ctx(step());
    let mut resource = lab.resource();
    resource.properties.insert("availability_zone".to_owned(), "north".into());
    ctx.resource = Arc::new(resource);
    let artifact = copy(&*lab.driver(), ctx).await.unwrap();
    lab.trove.change(&lab.instance, |it| {
        it.content = b"damage".to_vec();
        it.size = 9;
    });
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.blockers.is_empty() && plan.creates == 1 && plan.overwrites == 0, "{plan:?}");
    let stays = format!("instance {} stays as it is", lab.instance);
    assert!(plan.notes[0].contains(&stays) && plan.notes[1].contains("another address"), "{plan:?}");

    let did = lab.restore(&artifact).await.unwrap();
    assert!(did.notes[0].contains(&stays), "{did:?}");
    let new = did.physical_id.unwrap();
    assert_ne!(new, lab.instance);
    let (old, made) =
        (lab.trove.look(&lab.instance, Clone::clone).unwrap(), lab.trove.look(&new, Clone::clone).unwrap());
    assert_eq!((old.content.as_slice(), old.name.as_str()), (&b"damage"[..], "orders"));
    assert_eq!((made.content.as_slice(), made.name.as_str(), made.size), (CONTENT, "orders", 5));
    assert_eq!((made.flavor, made.datastore, made.version), (old.flavor, old.datastore, old.version));
    assert_eq!((made.network, made.configuration), (old.network, Some("c0ffee".to_owned())));
    assert_eq!((made.locality.as_deref(), made.availability_zone.as_deref()), (Some("affinity"), Some("north")));
    assert_eq!((made.public, made.allowed_cidrs), (true, vec!["10.0.0.0/8".to_owned()]));
    assert_eq!(lab.left().len(), 1, "the backup: {:?}", lab.left());
}

#[tokio::test]
async fn an_instance_that_is_gone_comes_back() {
    let lab = Lab::start(1).await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.trove.lose_instance(&lab.instance);
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.blockers.is_empty() && !plan.notes.iter().any(|note| note.contains("stays")), "{plan:?}");
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn what_is_lost_of_replicas_is_said() {
    let lab = Lab::start(1).await;
    let replica = lab.trove.instance("demo-id", b"");
    lab.trove.change(&replica, |it| {
        it.replica_of = Some(lab.instance.clone());
        it.name = "stacksnap-not-current".to_owned();
    });
    let artifact = lab.copy(step()).await.unwrap();
    let notes = lab.preview(&artifact).await.unwrap().notes;
    assert!(notes.iter().any(|note| note.contains(&format!("had replicas ({replica})"))), "{notes:?}");
    lab.trove.change(&replica, |it| it.replica_of = None);
    lab.trove.change(&lab.instance, |it| it.replica_of = Some(replica.clone()));
    let artifact = lab.copy(step()).await.unwrap();
    assert!(artifact.warnings[0].contains(&format!("a replica of {replica}")), "{:?}", artifact.warnings);
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.trove.look(&lab.current().unwrap(), |it| it.replica_of.clone()), Some(None));
}

#[tokio::test]
async fn a_stack_of_heat_s_keeps_its_instance() {
    let mut lab = Lab::start(1).await;
    lab.caller.may_move = false;
    let artifact = lab.copy(step()).await.unwrap();
    assert!(artifact.protected && artifact.warnings[0].contains("a restore of this resource is refused"));
    let blockers = lab.preview(&artifact).await.unwrap().blockers;
    assert!(blockers[0].contains(&format!("create --backup {}", backup(&artifact))), "{blockers:?}");
    assert_eq!(permanent(lab.restore(&artifact).await), blockers[0]);
    assert_eq!(lab.trove.instances().len(), 1);
}

#[tokio::test]
async fn a_part_of_a_cluster_is_not_said_to_be_protected() {
    let lab = Lab::start(1).await;
    lab.trove.change(&lab.instance, |it| it.cluster = Some("galera".to_owned()));
    let artifact = lab.copy(step()).await.unwrap();
    assert!(!artifact.protected && artifact.why.unwrap().contains("a part of cluster galera"));
    assert!(lab.backups().is_empty());
}

/// Somebody else's backup comes first, and ours is of what is there then.
#[tokio::test]
async fn an_instance_that_is_backed_up_by_its_owner_is_waited_for() {
    let lab = Lab::start(1).await;
    let theirs = lab.trove.foreign_backup(&lab.instance, None);
    lab.trove.change_backup(&theirs, |it| it.status = "BUILDING".to_owned());
    let (copied, ()) = tokio::join!(lab.copy(step()), async {
        lab.asked("GET", 10).await;
        assert_eq!(lab.backups().len(), 1, "only theirs");
        lab.trove.change_backup(&theirs, |it| it.status = "COMPLETED".to_owned());
    });
    copied.unwrap();
    assert_eq!(lab.backups().len(), 2);

    let mut lab = Lab::start(1).await;
    lab.settings.patience.longest = Duration::ZERO;
    let theirs = lab.trove.foreign_backup(&lab.instance, None);
    lab.trove.change_backup(&theirs, |it| it.status = "BUILDING".to_owned());
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("another backup") && why.contains("(openstack.longest_wait)"), "{why}");
}

/// Trove deletes nothing that it is building: what a restore that was stopped began goes with the next one.
#[tokio::test]
async fn what_a_stopped_restore_began_is_taken_away_by_the_next() {
    let lab = Lab::start(1).await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.trove.hold();
    let (driver, ctx) = (lab.driver(), lab.ctx(step()));
    let cancel = ctx.cancel.clone();
    let (ended, ()) = tokio::join!(restore(&*driver, ctx, &artifact), async {
        until(|| lab.left().len() == 2).await;
        cancel.cancel();
    });
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    lab.trove.release();
    let did = lab.restore(&artifact).await.unwrap();
    let all: Vec<_> = lab.trove.instances().into_iter().map(|it| it.id).collect();
    assert_eq!(all, [lab.instance.clone(), did.physical_id.unwrap()]);
    assert_eq!(lab.left().len(), 1);
}
