//! The laws of [`Driver`](crate::driver), as tests that every driver runs: `driver_contract!` lists them.
//!
//! A driver comes with a [`Subject`]: a real resource, small but for one thing (a copy or a restore of it takes long
//! enough to be caught half-way), and a way to look at the outside world without the driver. A law plays the worker's
//! part ([`claim`]): it claims a step, is killed, cancelled or late, and claims the step again with a driver that
//! remembers nothing; then it looks at what is there. Drivers of a cloud's resources do so in the fake cloud with every run
//! of the tests, and in a real one with `tests/openstack/run`.
//!
//! - [`copies`]: what a copy leaves, once or twice, whole or not at all.
//! - [`restores`]: that what was copied comes back, and that nothing else is touched.
//! - [`killed`]: a worker ends between effect and record, or half-way.
//! - [`frozen`]: what is frozen is thawed, and what others froze is not.
//! - [`late`]: a worker whose lease is over wakes up, also beside its successor.
//! - [`cancelled`]: a step must end.

mod cancelled;
mod claim;
mod copies;
mod frozen;
mod killed;
mod late;
mod restores;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, SnapshotId, StepId};
use stacksnap_common::types::{Artifact, Resource, ServerMode};

use crate::cloud::NoCloud;
use crate::driver::{Beside, CloudSource, Driver, Error, Records, Safety, Standing, VaultSource};

pub(crate) use self::cancelled::*;
pub(crate) use self::copies::*;
pub(crate) use self::frozen::*;
pub(crate) use self::killed::*;
pub(crate) use self::late::*;
pub(crate) use self::restores::*;
pub(crate) use self::shelf::Shelf;

/// Records that want everything.
pub(crate) struct AllKept;

#[async_trait]
impl Records for AllKept {
    async fn beside(&self, _: &ProjectId, _: StepId) -> Result<Vec<Beside>, Error> {
        Ok(Vec::new())
    }

    async fn has_ended(&self, _: &ProjectId, _: StepId) -> Result<bool, Error> {
        Ok(false)
    }

    async fn standing(&self, _: &ProjectId, _: SnapshotId, _: StepId) -> Result<Standing, Error> {
        Ok(Standing::Kept)
    }
}

/// A resource of the type under test, all for itself, and the world around it.
#[async_trait]
pub(crate) trait Subject: Send + Sync {
    /// The driver, as a worker has it that has just started: nothing is remembered but what is outside of the process.
    fn driver(&self) -> Arc<dyn Driver>;

    /// Who may use the resource.
    fn project(&self) -> ProjectId;

    fn resource(&self) -> Resource;

    /// Empty at first.
    fn vault(&self) -> Arc<dyn VaultSource>;

    /// The cloud that it is in.
    fn cloud(&self) -> Arc<dyn CloudSource> {
        Arc::new(NoCloud)
    }

    /// What the records know.
    fn records(&self) -> Arc<dyn Records> {
        Arc::new(AllKept)
    }

    /// What the request says about servers.
    fn servers(&self) -> ServerMode {
        ServerMode::Run
    }

    /// `None`: it is never frozen.
    async fn is_frozen(&self) -> Option<bool> {
        None
    }

    /// Of what may be frozen: by its user, or no more.
    async fn freeze_by_others(&self, _frozen: bool) {}

    /// Of a type whose bytes are moved by somebody else, who does not tell how far that is: whether it goes on now.
    async fn is_under_way(&self) -> bool {
        false
    }

    /// Whether its copies are those of a safety snapshot.
    fn safety(&self) -> Safety {
        Safety::None
    }

    /// Of a type whose size nobody tells: false. Then it counts as one thing.
    fn has_bytes(&self) -> bool {
        true
    }

    /// Whether a verification reads every byte, or only asks whether all is there.
    fn reads_back(&self) -> bool {
        true
    }

    /// Changes the resource: something is added, changed and taken away. What it does depends on `round`.
    async fn change(&self, round: u64);

    /// Takes the whole resource away.
    async fn remove(&self);

    /// All that a copy protects, as lines: the same lines, the same resource.
    async fn state(&self) -> String;

    /// All that `step` has left anywhere (in the vault, at the resource, in the cloud), each by its name.
    async fn left_by(&self, step: StepId) -> Vec<String>;

    /// From now on a reader of the resource gets into it and not to its end.
    async fn break_reads(&self);

    async fn mend_reads(&self);

    /// Damages what the artifact's bytes are in.
    async fn damage(&self, artifact: &Artifact);

    /// After how long what was put off is looked at again: not after the time that it asked for, but soon.
    fn soon(&self) -> Duration {
        Duration::from_millis(50)
    }

    /// A law has held. Of a subject whose bytes outlive it: they are not needed any more.
    async fn away(&self) {}
}

/// Makes one test of each law; the argument is an expression that makes a fresh [`Subject`], awaited. `@real`: of a cloud that
/// is not in this process, and that `tests/openstack/run` brings up for it.
macro_rules! driver_contract {
    (@real $subject:expr) => {
        $crate::drivers::contract::driver_contract!(@laws
            [#[ignore = "needs a real cloud: tests/openstack/run runs it"]] $subject);
    };
    ($subject:expr) => {
        $crate::drivers::contract::driver_contract!(@laws [] $subject);
    };
    (@laws $attributes:tt $subject:expr) => {
        $crate::drivers::contract::driver_contract!(@each $attributes $subject;
            two_copies_bring_back_two_states,
            a_step_that_copies_twice_leaves_one_copy,
            a_cut_that_nobody_copies_leaves_nothing,
            reads_that_fail_half_way_fail_the_copy_and_leave_nothing,
            a_resource_that_is_gone_is_said_to_be,
            a_type_freezes_or_says_that_it_can_not,
            what_is_frozen_is_thawed_by_whoever_comes_back,
            progress_never_goes_back,
            verify_sees_damage_and_nothing_is_restored_from_it,
            what_is_discarded_is_gone_and_what_is_not_there_is_fine,
            a_step_that_restores_twice_restores_once,
            looking_touches_nothing,
            killed_between_effect_and_record_it_is_adopted,
            killed_half_way_it_is_done_by_the_next,
            a_lease_that_is_over_touches_nothing,
            a_first_self_beside_its_successor_does_no_harm,
            a_cancelled_copy_ends_within_a_second_and_leaves_nothing,
            a_cancelled_restore_ends_within_a_second_and_is_made_good_by_the_next,
            what_is_cancelled_beforehand_does_nothing,
        );
    };
    (@each $attributes:tt $subject:expr; $($law:ident,)*) => {
        $($crate::drivers::contract::driver_contract!(@one $attributes $subject; $law);)*
    };
    (@one [$($attribute:tt)*] $subject:expr; $law:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        $($attribute)*
        async fn $law() {
            let subject = $subject.await;
            $crate::drivers::contract::$law(&subject).await;
            $crate::drivers::contract::Subject::away(&subject).await;
        }
    };
}
pub(crate) use driver_contract;
