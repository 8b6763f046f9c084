//! Incremental backups, and who keeps whom. The fake deletes what is built on a backup with it, as Trove does.

use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;
use stacksnap_openstack::fake::trove::Ends;

use super::lab::{CONTENT, Lab, backup};
use crate::driver::Standing;
use crate::drivers::openstack::lab::{step, until};

/// So many copies, one after the other.
async fn chain(lab: &Lab, links: usize) -> Vec<(StepId, Artifact)> {
    let mut made = Vec::new();
    for _ in 0..links {
        let step = step();
        made.push((step, lab.copy(step).await.unwrap()));
    }
    made
}

/// The snapshot's end: its records go when what it made is discarded.
async fn delete(lab: &Lab, (step, artifact): &(StepId, Artifact)) {
    lab.book.set(*step, Standing::Leaving);
    lab.discard(*step, Some(artifact)).await.unwrap();
    lab.book.set(*step, Standing::Forgotten);
}

/// Every backup was asked to be deleted once.
fn is_counted(lab: &Lab) {
    assert_eq!(lab.trove.counted("demo-id"), lab.backups().len());
}

#[tokio::test]
async fn a_chain_is_full_every_so_often_and_goes_with_its_last_link() {
    let lab = Lab::start(3).await;
    let made = chain(&lab, 4).await;
    let ids: Vec<_> = made.iter().map(|(_, artifact)| Some(backup(artifact))).collect();
    let parents: Vec<_> = lab.trove.backups().into_iter().map(|it| it.parent).collect();
    assert_eq!(parents, [None, ids[0].clone(), ids[1].clone(), None]);
    assert_eq!(made[2].1.data["parent"].as_str(), ids[1].as_deref());

    delete(&lab, &made[0]).await;
    delete(&lab, &made[1]).await;
    assert_eq!(lab.backups().len(), 4, "two are built on the first");
    lab.trove.write(&lab.instance, b"damage");
    lab.restore(&made[2].1).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    delete(&lab, &made[2]).await;
    assert_eq!(lab.backups(), [ids[3].clone().unwrap()]);
    is_counted(&lab);
}

/// As with a stack's end.
#[tokio::test]
async fn a_chain_that_is_discarded_all_at_once_goes_whole() {
    let lab = Lab::start(9).await;
    let made = chain(&lab, 4).await;
    made.iter().for_each(|(step, _)| lab.book.set(*step, Standing::Leaving));
    let all = made.iter().map(|(step, artifact)| lab.discard(*step, Some(artifact)));
    for ended in futures_util::future::join_all(all).await {
        ended.unwrap();
    }
    assert_eq!(lab.backups(), Vec::<String>::new());
    assert_eq!(lab.trove.counted("demo-id"), 0);
    let deleted = lab.trove.asked().into_iter().filter(|asked| asked.method == "DELETE");
    assert_eq!(deleted.count(), 4, "each once");
}

/// The first's end sees the second, which is there still; the second's end sees the first, which is on its way out.
#[tokio::test]
async fn two_that_are_deleted_at_the_same_time_leave_nothing() {
    let lab = Lab::start(9).await;
    let made = chain(&lab, 2).await;
    lab.book.set(made[0].0, Standing::Leaving);
    lab.discard(made[0].0, Some(&made[0].1)).await.unwrap();
    assert_eq!(lab.backups().len(), 2, "the second is kept");
    lab.book.set(made[1].0, Standing::Leaving);
    let (ended, ()) = tokio::join!(lab.discard(made[1].0, Some(&made[1].1)), async {
        until(|| lab.backups().len() == 1).await;
        lab.book.set(made[0].0, Standing::Forgotten);
    });
    ended.unwrap();
    assert_eq!(lab.backups(), Vec::<String>::new());
    is_counted(&lab);
}

#[tokio::test]
async fn a_user_s_backup_keeps_ours_that_it_is_built_on() {
    let lab = Lab::start(1).await;
    let made = chain(&lab, 1).await;
    let theirs = lab.trove.foreign_backup(&lab.instance, Some(&backup(&made[0].1)));
    delete(&lab, &made[0]).await;
    assert_eq!(lab.backups(), [backup(&made[0].1), theirs]);
}

#[tokio::test]
async fn nothing_is_built_on_a_user_s_backup_or_on_what_nobody_wants() {
    let lab = Lab::start(9).await;
    let made = chain(&lab, 1).await;
    lab.book.set(made[0].0, Standing::Leaving);
    let second = chain(&lab, 1).await;
    assert_eq!(second[0].1.data["parent"], serde_json::Value::Null);
    lab.trove.foreign_backup(&lab.instance, None);
    let third = chain(&lab, 1).await;
    assert_eq!(third[0].1.data["parent"], serde_json::Value::Null);
}

#[tokio::test]
async fn what_is_built_on_one_that_is_deleted_meanwhile_is_made_again_by_itself() {
    let lab = Lab::start(9).await;
    let made = chain(&lab, 1).await;
    lab.trove.hold();
    let (copied, ()) = tokio::join!(lab.copy(step()), async {
        until(|| lab.backups().len() == 2).await;
        lab.book.set(made[0].0, Standing::Leaving);
        lab.trove.release();
    });
    let copied = copied.unwrap();
    assert_eq!(copied.data["parent"], serde_json::Value::Null);
    assert_eq!(lab.backups(), [backup(&made[0].1), backup(&copied)]);
    is_counted(&lab);
}

/// A datastore that makes no incremental ones.
#[tokio::test]
async fn one_that_can_not_be_incremental_is_made_whole() {
    let lab = Lab::start(9).await;
    chain(&lab, 1).await;
    lab.trove.ends(Ends::BackupFailed);
    let second = chain(&lab, 1).await;
    assert_eq!(second[0].1.data["parent"], serde_json::Value::Null);
    assert_eq!(lab.backups().len(), 2, "the one that failed is gone");
    is_counted(&lab);
}
