//! A small world: timers are looked at, jobs are handed out in any order, lost or doubled, steps succeed, fail, are given
//! back, or their worker goes away and wakes up when another has its step. Whatever is drawn, every operation ends, no
//! step ends well twice, what was frozen is thawed, and nothing is left over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ids::{OperationId, PoolName, ProjectId, ResourceName, SnapshotId, StackId, StepId, WorkerId};
use crate::kinds::CutKind;
use crate::operation::{Item, ItemState, State, Verb};
use crate::queue::Job;
use crate::record::{Answer, Snapshot, Stack, Status};
use crate::store::backend::Shards;
use crate::store::keys::{self, Timer, count};
use crate::store::looks::Look;
use crate::store::model::Model;
use crate::store::snapshots::{NewRestore, NewSnapshot};
use crate::store::stacks::NewStack;
use crate::store::{Begun, Claimed, Ended, Error, Renewed, Request, Settings, Store, backend};
use crate::types::{Artifact, Consistency, Progress, Resource};

const START: u64 = 1_700_000_000_000_000;

pub(super) fn answer(begun: &Begun) -> Answer {
    Answer {
        body: String::new(),
        status: 200,
        headers: vec![("operation".to_owned(), begun.operation.id.to_string())],
        answer: json!({ "snapshot": begun.snapshot.as_ref().map(|snapshot| snapshot.id), "stack": begun.stack.id }),
    }
}

pub(super) struct World {
    pub(super) store: Store,
    clock: Arc<AtomicU64>,
    seed: u64,
    jobs: Vec<Job>,
    running: Vec<Claimed>,
    /// Steps whose worker is thought dead; it may wake up and try to end its step.
    paused: Vec<Claimed>,
    /// Steps that ended well, as the store took it.
    pub(super) done: BTreeMap<StepId, Verb>,
    tried_quiesce: BTreeSet<(OperationId, u32)>,
    /// In 256: how likely a run ends in each way.
    pub(super) odds: Odds,
    pub(super) project: ProjectId,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Odds {
    pub(super) dies: u8,
    pub(super) retries: u8,
    pub(super) fails: u8,
    pub(super) gone: u8,
    pub(super) later: u8,
    pub(super) loses_job: u8,
    pub(super) doubles_job: u8,
    pub(super) cancels: u8,
}

impl World {
    pub(super) fn new(seed: u64, odds: Odds, settings: Settings) -> Self {
        let clock = Arc::new(AtomicU64::new(START));
        let read = Arc::clone(&clock);
        let model = Model::with_clock(Shards::new(4).unwrap(), Arc::new(move || read.load(SeqCst)));
        let kinds = crate::operation::tests::kinds();
        Self {
            store: Store::new(Arc::new(model), settings, kinds),
            clock,
            seed: seed | 1,
            jobs: Vec::new(),
            running: Vec::new(),
            paused: Vec::new(),
            done: BTreeMap::new(),
            tried_quiesce: BTreeSet::new(),
            odds,
            project: "p".parse().unwrap(),
        }
    }

    fn draw(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn chance(&mut self, of_256: u8) -> bool {
        (self.draw() >> 11) % 256 < u64::from(of_256)
    }

    fn pick<T>(&mut self, from: fn(&mut Self) -> &mut Vec<T>) -> Option<T> {
        let draw = self.draw() as usize;
        let list = from(self);
        if list.is_empty() { None } else { Some(list.swap_remove(draw % list.len())) }
    }

    pub(super) fn pass(&self, millis: u64) {
        self.clock.fetch_add(millis * 1000, SeqCst);
    }

    pub(super) fn request(&self) -> Request<'static> {
        Request {
            project: self.project.clone(),
            caller: "me".to_owned(),
            trace: None,
            idempotency: None,
            answer: &answer,
        }
    }

    pub(super) async fn make_stack(&self, name: &str, kinds: &[&str]) -> Result<StackId, Error> {
        let made = self.store.create_stack(&self.request(), &new_stack(name, kinds)).await?;
        Ok(serde_json::from_value(made.answer["stack"].clone()).unwrap())
    }

    /// Looks at everything that is due, as the pump does.
    async fn look(&mut self) -> Result<(), Error> {
        for due in self.store.due(64).await? {
            match Timer::parse(&due.id).unwrap() {
                Timer::Item(..) => {
                    for look in self.store.look_at_items(due.shard, vec![due]).await? {
                        match look.look {
                            Look::Publish(held) => {
                                let job = held.job().unwrap();
                                if self.chance(self.odds.doubles_job) {
                                    self.jobs.push(job.clone());
                                }
                                if !self.chance(self.odds.loses_job) {
                                    self.jobs.push(job);
                                }
                            }
                            Look::Expired(held) => {
                                self.store.take_over(&look.due, *held).await?;
                            }
                            Look::Nothing => {}
                        }
                    }
                }
                timer => {
                    let Some(due) = self.store.take(&due).await? else { continue };
                    match timer {
                        Timer::Advance(project, operation) => self.store.advance(&project, operation).await?,
                        Timer::Retire(project, operation) => self.store.retire(&project, operation).await?,
                        _ => self.store.look_later(&due, Duration::from_secs(3600)).await?,
                    }
                }
            }
        }
        Ok(())
    }

    async fn claim(&mut self) -> Result<(), Error> {
        let Some(job) = self.pick(|world| &mut world.jobs) else { return Ok(()) };
        let worker = WorkerId::try_from(format!("w{}", self.draw() % 3)).unwrap();
        if let Some(claimed) = self.store.claim(&job, &worker).await? {
            if claimed.verb == Verb::Quiesce {
                self.tried_quiesce.insert((claimed.step.operation, claimed.step.index));
            }
            self.running.push(claimed);
        }
        Ok(())
    }

    async fn work(&mut self) -> Result<(), Error> {
        let Some(claimed) = self.pick(|world| &mut world.running) else { return Ok(()) };
        if self.chance(self.odds.dies) {
            self.paused.push(claimed);
            return Ok(());
        }
        match self.store.renew(&claimed, &Progress::default()).await? {
            Renewed::Lost => return Ok(()),
            Renewed::Stop { .. } if claimed.verb.stops() => return self.end(claimed, Ended::Stopped).await,
            _ => {}
        }
        let ended = self.draw_end(&claimed);
        self.end(claimed, ended).await
    }

    /// A paused worker wakes up and tries to record what it did.
    async fn wake(&mut self) -> Result<(), Error> {
        let Some(claimed) = self.pick(|world| &mut world.paused) else { return Ok(()) };
        let ended = good_end(&claimed, &self.store);
        self.end(claimed, ended).await
    }

    fn draw_end(&mut self, claimed: &Claimed) -> Ended {
        let reason = "drawn".to_owned();
        // What is owed goes well in the end: a thaw that never works would be a failure of its own.
        if claimed.verb != Verb::Thaw && self.chance(self.odds.fails) {
            return Ended::Failed { reason, gone: false };
        }
        if claimed.verb != Verb::Thaw && self.chance(self.odds.gone) {
            return Ended::Failed { reason, gone: true };
        }
        if self.chance(self.odds.retries) {
            return Ended::Retry { reason, after: None };
        }
        if self.chance(self.odds.later) {
            return Ended::Later { after: Duration::from_millis(700), checkpoint: json!(self.draw()) };
        }
        good_end(claimed, &self.store)
    }

    async fn end(&mut self, claimed: Claimed, ended: Ended) -> Result<(), Error> {
        let well = matches!(ended, Ended::Done { .. } | Ended::Cut { .. } | Ended::Held { .. });
        match self.store.finish(&claimed, ended, Duration::from_secs(1)).await {
            Ok(next) => {
                if well {
                    let again = self.done.insert(claimed.step, claimed.verb);
                    assert!(again.is_none(), "{} ended well twice", claimed.step);
                }
                self.running.extend(next);
                Ok(())
            }
            Err(Error::Backend(backend::Error::Conflict(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets the world go on until the operation has ended.
    pub(super) async fn until_ended(&mut self, id: OperationId) -> crate::operation::Operation {
        for turn in 0..60_000 {
            let op = self.store.find_operation(&self.project, id).await.unwrap();
            if op.state.ended() && self.running.is_empty() {
                return op;
            }
            match self.draw() % 16 {
                0..4 => self.look().await.unwrap(),
                4..8 => self.claim().await.unwrap(),
                8..13 => self.work().await.unwrap(),
                13 => self.wake().await.unwrap(),
                _ => self.pass(100 + turn / 50),
            }
            if self.chance(self.odds.cancels) && turn % 16 == 3 {
                match self.store.cancel(&self.project, id, "somebody").await {
                    Ok(_) | Err(Error::NotCancellable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let items = self.store.list_items(&self.project, id, 0, 100).await.unwrap();
        panic!("never ended: {:#?}\n{items:#?}", self.store.find_operation(&self.project, id).await.unwrap());
    }

    pub(super) async fn items(&self, id: OperationId) -> Vec<Item> {
        self.store.list_items(&self.project, id, 0, 10_000).await.unwrap().into_iter().map(|seen| seen.item).collect()
    }

    /// Nothing is left over: no step counted, no item running, no timer but those for old age.
    pub(super) async fn assert_clean(&mut self) {
        let shard = self.store.shard(&self.project);
        let counts = [count::running(&self.project), count::waiting(&self.project), count::steps(&self.project)];
        assert_eq!(self.store.backend.counters(shard, &counts).await.unwrap(), [0, 0, 0], "counters");
        for _ in 0..40 {
            self.pass(1000);
            self.look().await.unwrap();
        }
        self.pass(20 * 60_000);
        for due in self.store.due(1000).await.unwrap() {
            let timer = Timer::parse(&due.id).unwrap();
            assert!(matches!(timer, Timer::Retire(..) | Timer::Expire(..) | Timer::Forget(..)), "left: {timer:?}");
        }
        let lefts = self.store.backend.scan(shard, "progress/", None, 10).await.unwrap();
        assert!(lefts.is_empty(), "progress of nothing: {lefts:?}");
    }

    fn assert_thawed(&self, op: OperationId) {
        for (operation, item) in self.tried_quiesce.iter().filter(|(operation, _)| *operation == op) {
            let thawed = self
                .done
                .iter()
                .any(|(step, verb)| *verb == Verb::Thaw && step.operation == *operation && step.index == *item);
            assert!(thawed, "item {item} was frozen and not thawed");
        }
    }

    async fn stack(&self, id: StackId) -> Stack {
        self.store.find_stack(&self.project, id).await.unwrap()
    }

    async fn snapshot(&self, id: SnapshotId) -> Result<Snapshot, Error> {
        self.store.snapshot_by_id(&self.project, id).await
    }
}

fn good_end(claimed: &Claimed, store: &Store) -> Ended {
    let now = claimed.at;
    match (claimed.verb, &claimed.item.resource) {
        (Verb::Cut, Some(resource)) => match store.kinds.get(&resource.kind).unwrap().cut {
            CutKind::Held => Ended::Held { at: now },
            _ => Ended::Cut { cut: json!({ "of": resource.name }), at: now },
        },
        (Verb::Copy, Some(resource)) => {
            let mut artifact = Artifact::unprotected(resource, claimed.step, claimed.fence(), "");
            artifact.protected = true;
            artifact.why = None;
            artifact.consistency = if claimed.item.cut_lost { Consistency::Crash } else { Consistency::Application };
            artifact.cut_at = Some(now);
            Ended::Done { artifact: Some(Box::new(artifact)), result: Value::Null }
        }
        _ => Ended::Done { artifact: None, result: Value::Null },
    }
}

pub(super) fn new_stack(name: &str, kinds: &[&str]) -> NewStack {
    let named = |place: usize| ResourceName::try_from(format!("r{place}")).unwrap();
    let resources = kinds
        .iter()
        .enumerate()
        .map(|(place, kind)| Resource {
            name: named(place),
            kind: (*kind).to_owned(),
            external_id: None,
            properties: BTreeMap::new(),
            depends_on: if place % 3 == 2 { vec![named(place - 1)] } else { vec![] },
            pool: PoolName::default(),
        })
        .collect();
    NewStack {
        name: name.parse().unwrap(),
        description: String::new(),
        template: json!({}),
        environment: json!({}),
        files: Default::default(),
        parameters: Default::default(),
        tags: vec![],
        timeout_mins: None,
        disable_rollback: true,
        resources,
    }
}

pub(super) fn operation_of(answer: &Answer) -> OperationId {
    answer.headers[0].1.parse().unwrap()
}

fn odds() -> impl Strategy<Value = Odds> {
    (0_u8..40, 0_u8..60, prop_oneof![Just(0_u8), Just(0), 0..20_u8], prop_oneof![Just(0_u8), 0..30_u8], 0_u8..60)
        .prop_flat_map(|(dies, retries, fails, gone, later)| {
            (0_u8..60, 0_u8..60, prop_oneof![Just(0_u8), Just(0), 0..30_u8]).prop_map(
                move |(loses_job, doubles_job, cancels)| Odds {
                    dies,
                    retries,
                    fails,
                    gone,
                    later,
                    loses_job,
                    doubles_job,
                    cancels,
                },
            )
        })
}

const TYPES: [&str; 5] = ["T::Plain", "T::Durable", "T::Held", "T::HeldFrozen", "OS::Neutron::Net"];

/// A stack's whole life: made, snapshotted, restored, looked at, verified, its snapshot deleted, deleted.
async fn life(seed: u64, odds: Odds, kinds: Vec<usize>, demand: Option<Consistency>) {
    let settings = Settings { window: 3, attempts: 4, lease: Duration::from_secs(10), ..Settings::default() };
    let mut world = World::new(seed, odds, settings);
    let kinds: Vec<&str> = kinds.into_iter().map(|kind| TYPES[kind]).collect();
    let stack = world.make_stack("s", &kinds).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    world.until_ended(create).await;
    assert_eq!(world.stack(stack).await.busy, None);

    let new = NewSnapshot { consistency: demand, ..NewSnapshot::default() };
    let made = world.store.create_snapshot(&world.request(), stack, &new).await.unwrap();
    let id: SnapshotId = serde_json::from_value(made.answer["snapshot"].clone()).unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    world.assert_thawed(op.id);
    let snapshot = world.snapshot(id).await.unwrap();
    let artifacts = world.store.artifacts(&world.project, id).await.unwrap();
    if op.state == State::Complete {
        assert_eq!(snapshot.status, Status::Complete);
        assert_eq!(artifacts.len(), kinds.len(), "each resource is protected or named");
        assert!(demand.is_none_or(|demand| snapshot.consistency >= Some(demand)));
        restored(&mut world, stack, id).await;
    } else {
        assert_eq!(snapshot.status, Status::Failed);
        assert!(!op.reason.unwrap_or_default().is_empty());
        for item in world.items(op.id).await.iter().filter(|item| !item.tried.is_empty()) {
            assert!(item.state.ended(), "{item:?}");
        }
    }
    let deleted = world.store.delete_snapshot(&world.request(), stack, id).await.unwrap();
    let op = world.until_ended(operation_of(&deleted)).await;
    match op.state {
        State::Complete => assert!(matches!(world.snapshot(id).await, Err(Error::NoSnapshot(_)))),
        _ => assert_eq!(world.snapshot(id).await.unwrap().status, Status::Failed),
    }
    let deleted = world.store.delete_stack(&world.request(), stack).await.unwrap();
    let op = world.until_ended(operation_of(&deleted)).await;
    if op.state == State::Complete {
        assert!(world.stack(stack).await.deleted_at.is_some());
        let left = world.store.backend.scan(world.store.shard(&world.project), "artifact/", None, 10).await.unwrap();
        assert!(left.is_empty());
        world.make_stack("s", &kinds).await.expect("the name is free again");
        let again = world.store.find_stack_by_name(&world.project, &"s".parse().unwrap()).await.unwrap();
        world.until_ended(again.busy.unwrap()).await;
    }
    world.assert_clean().await;
}

async fn restored(world: &mut World, stack: StackId, id: SnapshotId) {
    let protected = world.store.artifacts(&world.project, id).await.unwrap().iter().filter(|a| a.protected).count();
    let made = world.store.restore_snapshot(&world.request(), stack, id, &NewRestore::default()).await.unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    let restores = world.done.iter().filter(|(s, verb)| s.operation == op.id && **verb == Verb::Restore).count();
    let safety = world.snapshot(op.safety.unwrap()).await;
    if op.state == State::Complete {
        assert_eq!(restores, protected);
    }
    if restores > 0 {
        assert_eq!(safety.unwrap().status, Status::Complete, "nothing is touched before it is safe");
    } else if op.state != State::Complete {
        assert!(safety.is_err() || safety.unwrap().status == Status::Complete);
    }
    for item in world.items(op.id).await {
        assert!(!matches!(item.state, ItemState::Running { .. }), "{item:?}");
    }
    let planned = world.store.plan_restore(&world.request(), stack, id, &[]).await.unwrap();
    world.until_ended(operation_of(&planned)).await;
    let verified = world.store.verify_snapshot(&world.request(), stack, id, &[]).await.unwrap();
    let op = world.until_ended(operation_of(&verified)).await;
    let seen = world.snapshot(id).await.unwrap();
    assert_eq!(seen.last_verified.is_some(), op.state == State::Complete);
    assert_eq!(seen.busy, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_operation_ends_and_nothing_is_left(
        seed in any::<u64>(),
        odds in odds(),
        kinds in prop::collection::vec(0..TYPES.len(), 1..9),
        demand in prop::option::of(prop::sample::select(vec![Consistency::Crash, Consistency::Group])),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(life(seed, odds, kinds, demand));
    }
}

#[tokio::test]
async fn nothing_goes_wrong_and_all_is_well() {
    let settings = Settings { window: 3, ..Settings::default() };
    let mut world = World::new(7, Odds::default(), settings);
    let stack = world.make_stack("s", &TYPES).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    assert_eq!(world.until_ended(create).await.state, State::Complete);
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    assert_eq!(op.state, State::Complete, "{op:?}");
    let snapshot = world.snapshot(op.snapshot.unwrap()).await.unwrap();
    assert_eq!(snapshot.protected, 4);
    assert_eq!(
        snapshot.status_reason.as_deref(),
        Some("4 of 5 resources protected; not: r4 (no driver for OS::Neutron::Net)")
    );
    assert_eq!(world.stack(stack).await.shown.word(), "SNAPSHOT_COMPLETE");
    let events = world.store.list_events(&world.project, stack).await.unwrap();
    let words: Vec<_> = events.iter().map(|event| event.shown.word()).collect();
    assert_eq!(words.last().map(String::as_str), Some("SNAPSHOT_COMPLETE"));
    assert_eq!(words.iter().filter(|word| *word == "SNAPSHOT_IN_PROGRESS").count(), 5, "{words:?}");
    assert!(keys::stack(&world.project, stack).0.starts_with("stack/"));
    world.assert_clean().await;
}
