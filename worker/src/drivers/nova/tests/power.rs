//! Servers that are stopped for a snapshot, and started again whatever happens.

use stacksnap_common::ids::StepId;
use stacksnap_openstack::fake::nova::Fault;

use super::lab::Lab;
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::lab::{permanent, step, to_the_end, until};

impl Lab {
    async fn quiesce(&self, step: StepId) -> Result<(), Error> {
        let driver = self.driver();
        to_the_end(self.ctx(step), async |ctx| driver.quiesce(ctx).await).await
    }

    async fn thaw(&self, step: StepId) -> Result<(), Error> {
        let driver = self.driver();
        to_the_end(self.ctx(step), async |ctx| driver.thaw(ctx).await).await
    }

    /// `active`, and whether it says that it was stopped by us.
    fn power(&self) -> (String, bool) {
        let look = |server: &stacksnap_openstack::fake::nova::Server| {
            (server.vm_state.clone(), server.metadata.contains_key("stacksnap_stopped"))
        };
        self.nova.look(&self.server, look).unwrap()
    }

    fn orders(&self) -> usize {
        self.nova.asked().iter().filter(|asked| asked.path.ends_with("/action")).count()
    }
}

#[tokio::test]
async fn a_server_is_off_until_it_is_thawed_and_its_artifact_says_so() {
    let lab = Lab::stopping().await;
    let step = step();
    lab.quiesce(step).await.unwrap();
    assert_eq!(lab.power(), ("stopped".to_owned(), true));
    let artifact = lab.copy(step).await.unwrap();
    assert_eq!(artifact.data["stopped"], true);
    lab.thaw(step).await.unwrap();
    assert_eq!(lab.power(), ("active".to_owned(), false));
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("while it was stopped")), "{plan:?}");
    let running = lab.copy(self::step()).await.unwrap();
    assert_eq!(running.data.get("stopped"), None);
}

/// Whatever it is instead of on.
#[tokio::test]
async fn a_server_that_is_not_on_is_left_as_it_is() {
    for state in ["stopped", "paused", "suspended", "error", "shelved_offloaded"] {
        let lab = Lab::stopping().await;
        lab.nova.change(&lab.server, |server| server.vm_state = state.to_owned());
        let step = step();
        lab.quiesce(step).await.unwrap();
        lab.thaw(step).await.unwrap();
        assert_eq!((lab.power(), lab.orders()), ((state.to_owned(), false), 0));
    }
}

#[tokio::test]
async fn a_thaw_waits_until_nova_is_done_with_the_image() {
    let lab = Lab::stopping().await;
    let step = step();
    lab.quiesce(step).await.unwrap();
    lab.nova.hold();
    let driver = lab.driver();
    let cut = driver.cut(&lab.ctx(step)).await.unwrap();
    assert!(matches!(cut, Outcome::Later { .. }));
    assert!(lab.nova.look(&lab.server, |server| server.task_state.is_some()).unwrap());
    let (thawed, ()) = tokio::join!(lab.thaw(step), async {
        lab.orders();
        until(|| !lab.nova.asked().is_empty()).await;
        assert_eq!(lab.power(), ("stopped".to_owned(), true));
        lab.nova.release();
    });
    thawed.unwrap();
    assert_eq!(lab.power(), ("active".to_owned(), false));
}

/// Done and not heard of, or refused for a while.
#[tokio::test]
async fn an_answer_that_is_lost_stops_and_starts_once() {
    for fault in [|| Fault::Lost, || Fault::Status(503), || Fault::Status(502)] {
        let lab = Lab::stopping().await;
        let step = step();
        for _ in 0..2 {
            lab.nova.fault("/metadata", fault(), 1);
            lab.nova.fault("/action", fault(), 1);
            lab.quiesce(step).await.unwrap();
            assert_eq!(lab.power(), ("stopped".to_owned(), true), "{:?}", fault());
        }
        for _ in 0..2 {
            lab.nova.fault("/action", fault(), 1);
            lab.nova.fault("DELETE", fault(), 1);
            lab.thaw(step).await.unwrap();
            assert_eq!(lab.power(), ("active".to_owned(), false), "{:?}", fault());
        }
    }
}

#[tokio::test]
async fn a_locked_server_is_named_and_its_owner_told_what_to_do() {
    let lab = Lab::stopping().await;
    let lock = |lock: Option<&str>| lab.nova.change(&lab.server, |server| server.locked = lock.map(str::to_owned));
    lock(Some("maintenance"));
    let step = step();
    let why = permanent(lab.quiesce(step).await);
    assert!(why.contains("is locked (maintenance), so that it can't be stopped"), "{why}");
    lab.thaw(step).await.unwrap();
    assert_eq!(lab.power(), ("active".to_owned(), false));

    // Locked while it was off.
    lock(None);
    lab.quiesce(step).await.unwrap();
    lock(Some("maintenance"));
    let why = permanent(lab.thaw(step).await);
    assert!(why.contains("can't be started: unlock it (openstack server unlock"), "{why}");
    lock(None);
    lab.thaw(step).await.unwrap();
    assert_eq!(lab.power(), ("active".to_owned(), false));
}

#[tokio::test]
async fn what_became_of_a_server_meanwhile_is_respected() {
    // Somebody started it.
    let lab = Lab::stopping().await;
    let step = step();
    lab.quiesce(step).await.unwrap();
    lab.nova.change(&lab.server, |server| server.vm_state = "active".to_owned());
    lab.orders();
    lab.thaw(step).await.unwrap();
    assert_eq!((lab.power(), lab.orders()), (("active".to_owned(), false), 0));

    // It broke.
    lab.quiesce(step).await.unwrap();
    lab.nova.change(&lab.server, |server| {
        server.vm_state = "error".to_owned();
        server.fault = Some("the host is on fire".to_owned());
    });
    let why = permanent(lab.thaw(step).await);
    assert!(why.contains("in ERROR now: the host is on fire"), "{why}");

    // It is gone.
    lab.nova.lose_server(&lab.server);
    lab.thaw(step).await.unwrap();
    let gone = lab.quiesce(step).await;
    assert!(matches!(gone, Err(Error::Gone(_))), "{gone:?}");
}
