//! What goes wrong over there, and on the way: each ends in a reason that says what to do, and leaves nothing.

use std::time::Duration;

use serde_json::json;
use stacksnap_openstack::fake::heat::Trouble;

use super::lab::Lab;
use crate::driver::Error;
use crate::drivers::openstack::lab::{permanent, step};

/// The driver has seen the stack as it is, and seen it again.
async fn looked_at_again(lab: &Lab) {
    lab.heat.asked();
    let mut looks = 0;
    while looks < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        looks += lab.heat.asked().len();
    }
}

#[tokio::test]
async fn a_stack_that_is_worked_on_is_waited_for() {
    let lab = Lab::start().await;
    lab.heat.busy(&lab.id, "UPDATE");
    let settle = async {
        looked_at_again(&lab).await;
        assert_eq!(lab.left(), Vec::<String>::new());
        lab.heat.settle(&lab.id);
    };
    let (copied, ()) = tokio::join!(lab.copy(step()), settle);
    let artifact = copied.unwrap();
    lab.heat.change(&lab.id, "content", "damage");
    lab.heat.busy(&lab.id, "CHECK");
    let settle = async {
        looked_at_again(&lab).await;
        assert_eq!(lab.content(), "damage");
        lab.heat.settle(&lab.id);
    };
    let (restored, ()) = tokio::join!(lab.restore(&artifact), settle);
    restored.unwrap();
    assert_ne!(lab.content(), "damage");
}

/// And for no longer than is said.
#[tokio::test]
async fn a_wait_comes_to_its_end() {
    let mut lab = Lab::start().await;
    lab.settings.patience.longest = Duration::from_millis(50);
    lab.heat.busy(&lab.id, "UPDATE");
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("UPDATE_IN_PROGRESS there, and that for longer than"), "{why}");
}

#[tokio::test]
async fn every_restore_restores_again() {
    let lab = Lab::start().await;
    lab.heat.change(&lab.id, "content", "good");
    let artifact = lab.copy(step()).await.unwrap();
    for damage in ["damage", "worse"] {
        lab.heat.change(&lab.id, "content", damage);
        lab.restore(&artifact).await.unwrap();
        assert_eq!(lab.content(), "good");
    }
}

#[tokio::test]
async fn a_restore_that_fails_there_says_why() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.heat.fail_next();
    let why = permanent(lab.restore(&artifact).await);
    assert!(
        why.contains("the restore of stack over-there failed there: Stack RESTORE failed: it was told to"),
        "{why}"
    );
}

#[tokio::test]
async fn what_it_cannot_do_is_said() {
    let mut lab = Lab::start().await;
    let driver = lab.driver();
    lab.context = json!({"region_name": "two", "credential_secret_id": "somewhere"});
    let ended = driver.check(&lab.ctx(step())).await;
    assert!(matches!(&ended, Err(Error::Unsupported(why)) if why.contains("credential_secret_id")), "{ended:?}");
}

#[tokio::test]
async fn a_service_in_trouble_is_tried_again() {
    let lab = Lab::start().await;
    lab.heat.trouble(Trouble::Broken);
    let ended = lab.driver().check(&lab.ctx(step())).await;
    assert!(matches!(ended, Err(Error::Transient { .. })), "{ended:?}");
    lab.heat.trouble(Trouble::None);
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    lab.discard(step, Some(&artifact)).await.unwrap();
    assert_eq!(lab.left(), Vec::<String>::new());
    // With the stack its snapshots went too.
    lab.heat.lose(&lab.id);
    lab.discard(step, Some(&artifact)).await.unwrap();
}
