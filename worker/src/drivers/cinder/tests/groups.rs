//! Volumes of one group: cut at once, by one step for all, and gone as a whole.

use std::time::Duration;

use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;
use stacksnap_common::types::VolumeMode::{self, Backup, Snapshot, SnapshotAndBackup};
use stacksnap_openstack::fake::cinder::{Ends, Fault, Quota};

use super::lab::{CONTENT, Lab};
use crate::driver::{Ctx, Cut, Error, Outcome};
use crate::drivers::cinder::TYPE;
use crate::drivers::openstack::lab::{self, permanent, to_the_end, until};

/// Three volumes in a group, and one stage that works on all of them.
struct Group {
    lab: Lab,
    id: String,
    volumes: [String; 3],
    first: StepId,
}

impl Group {
    async fn start(mode: VolumeMode) -> Self {
        let lab = Lab::start(mode, 1).await;
        let volumes =
            [lab.volume.clone(), lab.cinder.volume("demo-id", CONTENT), lab.cinder.volume("demo-id", CONTENT)];
        let id = lab.cinder.group("demo-id", &[&volumes[0], &volumes[1], &volumes[2]]);
        let group = Self { lab, id, volumes, first: Lab::step() };
        group.stage(&[0, 1, 2]);
        group
    }

    /// What the records say that is worked on.
    fn stage(&self, which: &[usize]) {
        self.lab.book.stage(which.iter().map(|it| (self.ctx(*it).resource.as_ref().clone(), false)));
    }

    fn step(&self, which: usize) -> StepId {
        StepId { index: which as u32, ..self.first }
    }

    fn ctx(&self, which: usize) -> Ctx {
        let resource = lab::resource(&format!("v{which}"), TYPE, &self.volumes[which]);
        self.lab.cloud.ctx(self.step(which), resource)
    }

    async fn cut(&self, which: usize) -> Result<Cut, Error> {
        let driver = self.lab.driver();
        let cut = to_the_end(self.ctx(which), async |ctx| driver.cut(ctx).await).await;
        if cut.is_ok() {
            self.lab.book.ends(self.step(which));
        }
        cut
    }

    async fn cut_all(&self) -> [Cut; 3] {
        let (two, one, zero) = tokio::join!(self.cut(2), self.cut(1), self.cut(0));
        [zero.unwrap(), one.unwrap(), two.unwrap()]
    }

    async fn copy(&self, which: usize, cut: &Cut) -> Result<Artifact, Error> {
        let Cut::Durable(value) = cut else { panic!("no durable cut") };
        let driver = self.lab.driver();
        to_the_end(self.ctx(which), async |ctx| driver.copy(ctx, Cut::Durable(value.clone())).await).await
    }

    async fn discard(&self, which: usize, artifact: Option<&Artifact>) -> Result<(), Error> {
        let ctx = Ctx { step: Lab::step(), ..self.ctx(which) };
        lab::discard(&*self.lab.driver(), ctx, self.step(which), artifact).await
    }

    /// How often something was asked for since the last time.
    fn asked(&self, method: &str, end: &str) -> usize {
        let asked = self.lab.cinder.asked();
        asked.iter().filter(|it| it.method == method && it.path.ends_with(end)).count()
    }
}

fn whole(artifact: &Artifact) -> &str {
    artifact.data["group"]["group_snapshot"].as_str().unwrap()
}

fn why(artifact: &Artifact) -> &str {
    artifact.data["group"]["alone"].as_str().unwrap()
}

#[tokio::test]
async fn all_of_a_group_are_cut_by_one_snapshot_and_each_has_its_part() {
    let group = Group::start(Snapshot).await;
    let cuts = group.cut_all().await;
    let asked = group.lab.cinder.asked();
    let made: Vec<_> = asked.iter().filter(|it| it.method == "POST").map(|it| it.path.clone()).collect();
    assert!(made.len() == 1 && made[0].ends_with("/group_snapshots"), "{made:?}");
    let parts = group.lab.cinder.snapshots();
    let mut artifacts = Vec::new();
    for (which, cut) in cuts.iter().enumerate() {
        let artifact = group.copy(which, cut).await.unwrap();
        let part = parts.iter().find(|it| it.volume == group.volumes[which]).unwrap();
        assert_eq!(artifact.data["snapshot"], *part.id);
        assert_eq!(
            (whole(&artifact), artifact.data["group"]["id"].as_str()),
            (&*group.lab.cinder.group_snapshots()[0].id, Some(&*group.id))
        );
        // It says whose it is, as any other.
        assert_eq!(part.name, Some(format!("stacksnap-{}", group.step(which))));
        assert_eq!(part.metadata["stacksnap_step"], group.step(which).to_string());
        assert!(part.description.as_ref().unwrap().starts_with(&format!("v{which} of stack ")));
        artifacts.push(artifact);
    }
    for (which, artifact) in artifacts.iter().enumerate() {
        group.lab.cinder.write(&group.volumes[which], b"damage");
        let ctx = Ctx { step: Lab::step(), ..group.ctx(which) };
        let seen = lab::preview(&*group.lab.driver(), ctx.clone(), artifact).await.unwrap();
        assert!(seen.notes.iter().any(|it| it.contains("cut at once with the other volumes")), "{:?}", seen.notes);
        lab::restore(&*group.lab.driver(), ctx, artifact).await.unwrap();
        assert_eq!(group.lab.cinder.content(&group.volumes[which]).unwrap(), CONTENT);
    }
    for (which, artifact) in artifacts.iter().enumerate() {
        group.discard(which, Some(artifact)).await.unwrap();
    }
    assert!(group.lab.cinder.snapshots().is_empty() && group.lab.cinder.group_snapshots().is_empty());
}

#[tokio::test]
async fn a_group_snapshot_goes_with_the_last_backup_of_it() {
    let group = Group::start(SnapshotAndBackup).await;
    let cuts = group.cut_all().await;
    for which in [1, 0] {
        group.copy(which, &cuts[which]).await.unwrap();
        assert_eq!((group.lab.cinder.group_snapshots().len(), group.lab.cinder.snapshots().len()), (1, 3));
    }
    let last = group.copy(2, &cuts[2]).await.unwrap();
    assert!(last.data["snapshot"].is_null() && last.warnings.is_empty(), "{last:?}");
    assert!(group.lab.cinder.snapshots().is_empty() && group.lab.cinder.group_snapshots().is_empty());
    assert_eq!(group.lab.cinder.backups().len(), 3);
}

#[tokio::test]
async fn backups_of_all_parts_at_the_same_time_leave_no_group_snapshot() {
    let group = Group::start(SnapshotAndBackup).await;
    let cuts = group.cut_all().await;
    let (a, b, c) = tokio::join!(group.copy(0, &cuts[0]), group.copy(1, &cuts[1]), group.copy(2, &cuts[2]));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    until(|| group.lab.cinder.group_snapshots().is_empty()).await;
    assert!(group.lab.cinder.snapshots().is_empty());
}

#[tokio::test]
async fn a_group_of_which_some_are_not_in_the_snapshot_is_not_cut() {
    let group = Group::start(Snapshot).await;
    group.stage(&[0, 1]);
    let artifact = group.copy(0, &group.cut(0).await.unwrap()).await.unwrap();
    assert!(
        why(&artifact).contains(&format!("not in this snapshot (volume {})", group.volumes[2])),
        "{}",
        why(&artifact)
    );
    assert!(
        artifact.warnings[0].contains(&format!("is in group {}, and was cut by itself", group.id)),
        "{:?}",
        artifact.warnings
    );
    assert!(group.lab.cinder.group_snapshots().is_empty());
    assert_eq!(group.lab.cinder.snapshots().len(), 1);
}

#[tokio::test]
async fn a_group_of_which_one_leaves_the_stack_is_not_cut() {
    let group = Group::start(SnapshotAndBackup).await;
    group.lab.book.stage((0..3).map(|it| (group.ctx(it).resource.as_ref().clone(), it == 2)));
    let artifact = group.copy(0, &group.cut(0).await.unwrap()).await.unwrap();
    assert!(why(&artifact).starts_with("v2 leaves the stack"), "{}", why(&artifact));
    assert!(group.lab.cinder.group_snapshots().is_empty());
}

#[tokio::test]
async fn backups_alone_are_no_cut_of_a_group() {
    let group = Group::start(Backup).await;
    assert!(matches!(group.cut(0).await.unwrap(), Cut::None));
    assert_eq!(group.asked("POST", ""), 0);
}

#[tokio::test]
async fn where_cinder_takes_none_each_is_cut_by_itself_once_the_leader_has_ended() {
    let group = Group::start(Snapshot).await;
    group.lab.cinder.fault("POST /group_snapshots", Fault::Status(403), usize::MAX);
    let Ok(Outcome::Later { .. }) = group.lab.driver().cut(&group.ctx(1)).await else { panic!("not waited for") };
    let leader = group.copy(0, &group.cut(0).await.unwrap()).await.unwrap();
    assert!(why(&leader).contains("403"), "{}", why(&leader));
    let follower = group.copy(1, &group.cut(1).await.unwrap()).await.unwrap();
    assert!(why(&follower).contains("has ended without it"), "{}", why(&follower));
    assert_eq!(group.lab.cinder.snapshots().len(), 2);
}

#[tokio::test]
async fn one_that_was_taken_and_not_heard_of_is_found_again() {
    let group = Group::start(Snapshot).await;
    group.lab.cinder.fault("POST /group_snapshots", Fault::Lost, 1);
    group.cut_all().await;
    assert_eq!(group.lab.cinder.group_snapshots().len(), 1);
}

/// A leader whose lease was over took one too, and nobody has seen it.
#[tokio::test]
async fn of_two_the_first_is_taken_once_the_leader_has_ended() {
    let group = Group::start(Snapshot).await;
    let leader = group.copy(0, &group.cut(0).await.unwrap()).await.unwrap();
    group.lab.cinder.foreign_group_snapshot(&group.id, &format!("stacksnap-{}", group.step(0)));
    let follower = group.copy(1, &group.cut(1).await.unwrap()).await.unwrap();
    assert_eq!(whole(&follower), whole(&leader));
}

/// Each of them is killed after whatever it has asked for.
#[tokio::test]
async fn a_step_that_begins_anew_takes_the_same_part() {
    let group = Group::start(Snapshot).await;
    let once = group.cut_all().await;
    let again = group.cut_all().await;
    for (once, again) in once.iter().zip(&again) {
        let (Cut::Durable(once), Cut::Durable(again)) = (once, again) else { panic!("no durable cut") };
        assert_eq!(once["snapshot"], again["snapshot"]);
    }
    assert_eq!((group.lab.cinder.group_snapshots().len(), group.lab.cinder.snapshots().len()), (1, 3));
}

#[tokio::test]
async fn one_that_fails_is_taken_again_and_one_that_always_fails_says_so() {
    let group = Group::start(Snapshot).await;
    group.lab.cinder.ends(Ends::GroupSnapshotInError);
    group.cut_all().await;
    assert_eq!(group.lab.cinder.group_snapshots().len(), 1);
    for which in 0..3 {
        group.discard(which, None).await.unwrap();
    }
    assert!(group.lab.cinder.snapshots().is_empty());

    let group = Group::start(Snapshot).await;
    group.lab.cinder.always(Ends::GroupSnapshotInError, true);
    let why = permanent(group.cut(0).await.map(drop));
    assert!(why.contains("no group snapshot in 3 tries"), "{why}");
    assert!(group.lab.cinder.snapshots().is_empty() && group.lab.cinder.group_snapshots().is_empty());
}

#[tokio::test]
async fn a_full_quota_is_told_as_that() {
    let group = Group::start(Snapshot).await;
    group.lab.cinder.quota(Quota { snapshots: 2, ..Quota::default() });
    let why = permanent(group.cut(0).await.map(drop));
    assert!(why.contains("Maximum number of snapshots allowed (2)") && why.contains("quota is full"), "{why}");
}

#[tokio::test]
async fn a_volume_that_is_busy_is_waited_for_by_all() {
    let group = Group::start(Snapshot).await;
    group.lab.cinder.change(&group.volumes[2], |it| it.status = "backing-up".to_owned());
    let watching = async {
        until(|| group.asked("GET", &format!("/groups/{}", group.id)) > 0).await;
        assert!(group.lab.cinder.group_snapshots().is_empty());
        group.lab.cinder.change(&group.volumes[2], |it| it.status = "available".to_owned());
    };
    tokio::join!(group.cut_all(), watching);
    assert_eq!(group.lab.cinder.group_snapshots().len(), 1);
}

#[tokio::test]
async fn a_group_that_is_just_being_changed_is_waited_for() {
    let group = Group::start(Snapshot).await;
    group.lab.cinder.group_is(&group.id, "updating");
    let watching = async {
        until(|| group.asked("GET", &format!("/groups/{}", group.id)) > 0).await;
        assert!(group.lab.cinder.group_snapshots().is_empty());
        group.lab.cinder.group_is(&group.id, "available");
    };
    tokio::join!(group.cut_all(), watching);
    assert_eq!(group.lab.cinder.group_snapshots().len(), 1);
}

/// Cinder would delete the snapshot that a backup is just being made of.
#[tokio::test]
async fn what_is_at_work_is_not_taken_away() {
    let group = Group::start(SnapshotAndBackup).await;
    let cuts = group.cut_all().await;
    group.lab.cinder.hold();
    let Cut::Durable(value) = &cuts[1] else { panic!("no durable cut") };
    let driver = group.lab.driver();
    let begun = driver.copy(&group.ctx(1), Cut::Durable(value.clone())).await;
    assert!(matches!(begun, Ok(Outcome::Later { .. })), "{:?}", begun.err());
    group.lab.cinder.asked();
    let watching = async {
        for _ in 0..5 {
            until(|| group.asked("GET", "/snapshots/detail") > 0).await;
        }
        assert_eq!(group.lab.cinder.group_snapshots()[0].status, "available");
        group.lab.cinder.release();
    };
    tokio::join!(group.discard(0, None), watching).0.unwrap();
    for which in 1..3 {
        group.discard(which, None).await.unwrap();
    }
    assert_eq!(group.lab.left(), Vec::<String>::new());
}

#[tokio::test]
async fn one_that_can_not_be_deleted_is_tried_again_until_it_can() {
    let group = Group::start(Snapshot).await;
    group.cut_all().await;
    group.lab.cinder.ends(Ends::DeleteInError);
    group.discard(0, None).await.unwrap();
    assert_eq!(group.lab.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_part_that_somebody_took_out_of_the_group_is_cut_by_itself() {
    let group = Group::start(Snapshot).await;
    let Ok(Outcome::Later { checkpoint, .. }) = group.lab.driver().cut(&group.ctx(2)).await else {
        panic!("not waited for")
    };
    group.lab.cinder.change(&group.volumes[2], |it| it.group = None);
    group.stage(&[0, 1]);
    group.cut(0).await.unwrap();
    let driver = group.lab.driver();
    let ctx = Ctx { checkpoint, ..group.ctx(2) };
    let cut = to_the_end(ctx, async |ctx| driver.cut(ctx).await).await.unwrap();
    let artifact = group.copy(2, &cut).await.unwrap();
    assert!(why(&artifact).contains("in the group no more"), "{}", why(&artifact));
    assert_eq!(group.lab.cinder.snapshots().len(), 3);
    tokio::time::timeout(Duration::from_secs(60), group.discard(2, Some(&artifact))).await.unwrap().unwrap();
}
