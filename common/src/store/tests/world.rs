//! A small world: timers are looked at, jobs are handed out in any order, lost or doubled, steps succeed, fail, are given
//! back, or their worker goes away and wakes up when another has its step. Its clock jumps to the next timer when there
//! is nothing else to do; with no timer left, what has not ended hangs, and the test fails.

mod clean;
mod plots;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};

pub(super) use self::plots::{AWAY, Fate, Plot};
use super::outside::Outside;
use crate::ids::{OperationId, PoolName, ProjectId, ResourceName, SnapshotId, StackId, StepId, WorkerId};
use crate::kinds::CutKind;
use crate::operation::{Item, ItemState, Operation, Verb};
use crate::queue::Job;
use crate::record::{Answer, Definition, Snapshot, Stack};
use crate::store::backend::Shards;
use crate::store::begin::Idempotency;
use crate::store::faulty::Faulty;
use crate::store::keys::Timer;
use crate::store::looks::Look;
use crate::store::model::Model;
use crate::store::stacks::NewStack;
use crate::store::update::NewUpdate;
use crate::store::{Backend, Begun, Claimed, Ended, Error, Renewed, Request, Settings, Store, backend};
use crate::types::{Artifact, Consistency, Progress, Resource};

const START: u64 = 1_700_000_000_000_000;
/// Nothing that the tests do takes so many turns: what does goes round in circles.
const TURNS: usize = 20_000;

pub(super) const TYPES: [&str; 5] = ["T::Plain", "T::Durable", "T::Held", "T::HeldFrozen", "OS::Neutron::Net"];

pub(super) fn answer(begun: &Begun) -> Answer {
    Answer {
        body: String::new(),
        status: 200,
        headers: vec![("operation".to_owned(), begun.operation.id.to_string())],
        answer: json!({ "snapshot": begun.snapshot.as_ref().map(|snapshot| snapshot.id), "stack": begun.stack.id }),
    }
}

/// Asks the world's store, again and again while it fails, with an idempotency key as a careful caller does.
macro_rules! ask {
    ($world:expr, $project:expr, $verb:ident($($arg:expr),*)) => {{
        let request = $world.keyed($project);
        loop {
            match $world.store.$verb(&request, $($arg),*).await {
                Err(error) if error.is_transient() && $world.odds.faults > 0 => {}
                other => break other,
            }
        }
    }};
}
pub(super) use ask;

pub(super) struct World {
    pub(super) store: Store,
    /// The same store without faults, to look at.
    pub(super) calm: Store,
    model: Arc<Model>,
    clock: Arc<AtomicU64>,
    seed: u64,
    jobs: Vec<Job>,
    running: Vec<Claimed>,
    /// Steps whose worker is thought dead; it may wake up and try to end its step.
    paused: Vec<Claimed>,
    /// Steps that ended well, as the store took it.
    pub(super) done: BTreeMap<StepId, Verb>,
    /// Published and not claimed.
    published: BTreeSet<StepId>,
    pub(super) outside: Outside,
    /// In 256: how likely a run ends in each way.
    pub(super) odds: Odds,
    pub(super) plots: Vec<Plot>,
    /// Second runs of a step that were not to be recorded.
    second: Vec<Claimed>,
    pub(super) project: ProjectId,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Odds {
    pub(super) dies: u8,
    pub(super) retries: u8,
    pub(super) fails: u8,
    pub(super) gone: u8,
    pub(super) later: u8,
    pub(super) hands_back: u8,
    pub(super) loses_job: u8,
    pub(super) doubles_job: u8,
    pub(super) cancels: u8,
    /// One in so many calls of the store fails; zero for none.
    pub(super) faults: u8,
}

impl World {
    pub(super) fn new(seed: u64, odds: Odds, settings: Settings) -> Self {
        let clock = Arc::new(AtomicU64::new(START));
        let read = Arc::clone(&clock);
        let model = Arc::new(Model::with_clock(Shards::new(4).unwrap(), Arc::new(move || read.load(SeqCst))));
        let faulty = Faulty::new(Arc::clone(&model));
        faulty.random(seed, u64::from(odds.faults));
        let kinds = crate::operation::tests::kinds();
        Self {
            store: Store::new(Arc::new(faulty), settings.clone(), kinds.clone()),
            calm: Store::new(Arc::clone(&model) as Arc<dyn Backend>, settings, kinds),
            model,
            clock,
            seed: seed | 1,
            jobs: Vec::new(),
            running: Vec::new(),
            paused: Vec::new(),
            done: BTreeMap::new(),
            published: BTreeSet::new(),
            outside: Outside::default(),
            odds,
            plots: Vec::new(),
            second: Vec::new(),
            project: "p".parse().unwrap(),
        }
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed >> 11
    }

    fn chance(&mut self, of_256: u8) -> bool {
        self.draw() % 256 < u64::from(of_256)
    }

    fn pick<T>(&mut self, from: fn(&mut Self) -> &mut Vec<T>) -> Option<T> {
        let draw = self.draw() as usize;
        let list = from(self);
        if list.is_empty() { None } else { Some(list.swap_remove(draw % list.len())) }
    }

    /// By the world's clock.
    pub(super) fn now(&self) -> Duration {
        Duration::from_micros(self.clock.load(SeqCst))
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
            heat: None,
            grant: None,
            answer: &answer,
        }
    }

    pub(super) fn keyed(&self, project: &ProjectId) -> Request<'static> {
        let digest = uuid::Uuid::new_v4().to_string();
        let idempotency = Some(Idempotency { digest, body: String::new() });
        Request { project: project.clone(), idempotency, ..self.request() }
    }

    pub(super) async fn make_stack(&self, name: &str, kinds: &[&str]) -> Result<StackId, Error> {
        let made = ask!(self, &self.project, create_stack(&new_stack(name, kinds)))?;
        Ok(serde_json::from_value(made.answer["stack"].clone()).unwrap())
    }

    /// What may fail while the store fails.
    fn tolerate<T>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) if error.is_transient() && self.odds.faults > 0 => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Looks at everything that is due, as the pump does; whether there was anything.
    async fn look(&mut self) -> bool {
        let Some(dues) = self.tolerate(self.store.due(64).await) else { return true };
        let any = !dues.is_empty();
        for due in dues {
            let looked = self.look_at(due).await;
            self.tolerate(looked);
        }
        any
    }

    async fn look_at(&mut self, due: backend::Due) -> Result<(), Error> {
        match Timer::parse(&due.id).unwrap() {
            Timer::Item(..) => {
                for look in self.store.look_at_items(due.shard, vec![due], false).await? {
                    match look.look {
                        Look::Publish(held) => self.publish(held.job().unwrap()).await,
                        Look::Expired(held) => {
                            let job = held.job().unwrap();
                            self.store.take_over(&look.due, *held).await?;
                            self.note(&job.project, job.step).await;
                        }
                        Look::Nothing => {}
                    }
                }
            }
            timer => {
                let Some(due) = self.store.take(&due).await? else { return Ok(()) };
                match timer {
                    Timer::Advance(project, operation) => self.store.advance(&project, operation).await?,
                    Timer::Retire(project, operation) => self.store.retire(&project, operation).await?,
                    _ => self.store.look_later(&due, Duration::from_secs(3600)).await?,
                }
            }
        }
        Ok(())
    }

    async fn publish(&mut self, job: Job) {
        let op = self.calm.find_operation(&job.project, job.step.operation).await.unwrap();
        let stage = &op.stages[usize::from(job.step.stage)];
        // One that was put off has made room; it comes by when its time has come.
        let items = self.calm.list_items(&job.project, job.step.operation, job.step.index, 1).await.unwrap();
        let put_off = items.iter().any(|seen| seen.item.made_room == Some(job.step.stage));
        if !stage.is_held(job.step.index) && op.stop.is_none() && !put_off {
            self.published.insert(job.step);
            let same = |step: &&StepId| step.operation == job.step.operation && step.stage == job.step.stage;
            let waiting = self.published.iter().filter(same).count();
            assert!(waiting <= op.window as usize, "{waiting} steps of one stage published at once");
        }
        if self.chance(self.odds.doubles_job) {
            self.jobs.push(job.clone());
        }
        if !self.chance(self.odds.loses_job) {
            self.jobs.push(job);
        }
    }

    /// Notes whether a step failed for good, for what it should have cleared.
    async fn note(&mut self, project: &ProjectId, step: StepId) {
        let items = self.calm.list_items(project, step.operation, step.index, 1).await.unwrap();
        let op = self.calm.find_operation(project, step.operation).await.unwrap();
        let item = &items[0].item;
        if item.stage == step.stage && matches!(item.state, ItemState::Failed { .. }) {
            self.outside.gave_up(op.stages[usize::from(step.stage)].verb, op.stack);
        }
    }

    async fn claim(&mut self) {
        let Some(job) = self.pick(|world| &mut world.jobs) else { return };
        let worker = WorkerId::try_from(format!("w{}", self.draw() % 3)).unwrap();
        match self.store.claim(&job, &worker).await {
            Ok(Some(claimed)) => {
                self.published.remove(&job.step);
                let again = self.calm.claim(&job, &worker).await.unwrap();
                assert!(again.is_none(), "{} was claimed twice", job.step);
                self.running.push(claimed);
            }
            Ok(None) => {}
            Err(error) => {
                // Not acked: it is delivered again.
                self.tolerate::<()>(Err(error));
                self.jobs.push(job);
            }
        }
    }

    async fn work(&mut self) {
        let Some(claimed) = self.pick(|world| &mut world.running) else { return };
        if self.chance(self.odds.dies) {
            if self.chance(128) {
                self.outside.make(&claimed);
                self.outside.take_away(&claimed);
            }
            self.paused.push(claimed);
            return;
        }
        match self.store.renew(&claimed, &Progress::default()).await {
            Ok(Renewed::Lost) => return,
            Ok(Renewed::Stop { .. }) if claimed.verb.stops() => {
                if self.chance(128) {
                    self.outside.make(&claimed);
                }
                return self.end(claimed, Ended::Stopped).await;
            }
            Ok(_) => {}
            Err(error) => {
                self.tolerate::<()>(Err(error));
            }
        }
        if let Some(fate) = self.plotted(&claimed) {
            return self.strike(claimed, fate).await;
        }
        let ended = self.draw_end(&claimed);
        self.end(claimed, ended).await;
    }

    /// Those that were taken for dead say what they did; nobody listens.
    pub(super) async fn second_ones_wake(&mut self) {
        for claimed in std::mem::take(&mut self.second) {
            let refused = self.calm.finish(&claimed, good_end(&claimed, &self.calm), Duration::ZERO).await;
            assert!(matches!(refused, Err(Error::Backend(backend::Error::Conflict(_)))), "{refused:?}");
        }
    }

    /// A paused worker wakes up and tries to record what it did.
    async fn wake(&mut self) {
        let Some(claimed) = self.pick(|world| &mut world.paused) else { return };
        let moved = match self.calm.renew(&claimed, &Progress::default()).await.unwrap() {
            Renewed::Lost => true,
            Renewed::Stop { .. } | Renewed::GoOn { .. } => false,
        };
        if !moved {
            // Nobody has it: it does its work.
            self.outside.make(&claimed);
            self.outside.take_away(&claimed);
        }
        let ended = good_end(&claimed, &self.store);
        self.end(claimed, ended).await;
    }

    fn draw_end(&mut self, claimed: &Claimed) -> Ended {
        let reason = "drawn".to_owned();
        if self.chance(128) {
            self.outside.make(claimed);
        }
        if self.chance(self.odds.fails) {
            return Ended::Failed { reason, gone: false };
        }
        if self.chance(self.odds.gone) {
            return Ended::Failed { reason, gone: true };
        }
        if self.chance(self.odds.retries) {
            return Ended::Retry { reason, after: None, away: self.chance(128) };
        }
        if self.chance(self.odds.later) {
            return Ended::Later { after: Duration::from_millis(700), checkpoint: json!(self.draw()) };
        }
        if self.chance(self.odds.hands_back) {
            return Ended::HandedBack { checkpoint: Value::Null };
        }
        self.outside.make(claimed);
        self.outside.take_away(claimed);
        good_end(claimed, &self.store)
    }

    async fn end(&mut self, claimed: Claimed, ended: Ended) {
        let well = matches!(ended, Ended::Done { .. } | Ended::Cut { .. } | Ended::Held { .. });
        match self.store.finish(&claimed, ended, Duration::from_secs(1)).await {
            Ok(next) => {
                if well {
                    let again = self.done.insert(claimed.step, claimed.verb);
                    assert!(again.is_none(), "{} ended well twice", claimed.step);
                }
                self.running.extend(next);
            }
            Err(Error::Backend(backend::Error::Conflict(_))) => {}
            Err(error) => {
                // It does not know what became of it; it may try once more.
                self.tolerate::<()>(Err(error));
                self.paused.push(claimed.clone());
            }
        }
        self.note(&claimed.operation.project, claimed.step).await;
    }

    /// One turn of the world.
    pub(super) async fn turn(&mut self) {
        match self.draw() % 16 {
            0..4 => {
                self.look().await;
            }
            4..8 => self.claim().await,
            8..13 => self.work().await,
            13 => self.wake().await,
            14 => {
                let millis = self.draw() % 2000;
                self.pass(millis);
            }
            _ => {
                // Looking at an operation too often changes nothing.
                let some = self.running.first().map(|claimed| claimed.operation.clone());
                if let Some(op) = some {
                    let advanced = self.store.advance(&op.project, op.id).await;
                    self.tolerate(advanced);
                }
            }
        }
        if self.jobs.is_empty() && self.running.is_empty() && !self.look().await {
            self.jump();
        }
    }

    /// To the next thing that will happen by itself.
    fn jump(&self) {
        let lasting = |due: &backend::Due| matches!(Timer::parse(&due.id), Some(Timer::Advance(..) | Timer::Item(..)));
        if let Some(next) = self.model.timers().into_iter().filter(lasting).map(|due| due.at).min() {
            self.clock.fetch_max(next.0 * 1000, SeqCst);
        }
    }

    /// Whether nothing will happen any more by itself.
    fn stands_still(&self) -> bool {
        let old_age = |due: &backend::Due| {
            matches!(Timer::parse(&due.id), Some(Timer::Retire(..) | Timer::Expire(..) | Timer::Forget(..)))
        };
        self.jobs.is_empty() && self.running.is_empty() && self.model.timers().iter().all(old_age)
    }

    /// Lets the world go on until the operation has ended.
    pub(super) async fn until_ended(&mut self, id: OperationId) -> Operation {
        let project = self.project.clone();
        for turn in 0..TURNS {
            if turn % 8 == 0 || self.stands_still() {
                let op = self.calm.find_operation(&project, id).await.unwrap();
                if op.state.ended() && self.running.is_empty() {
                    return op;
                }
                assert!(op.state.ended() || !self.stands_still(), "it hangs: {op:?}");
            }
            self.turn().await;
            if self.chance(self.odds.cancels) && self.draw() % 16 == 3 {
                match self.store.cancel(&project, id, "somebody").await {
                    Ok(_) | Err(Error::NotCancellable { .. }) => {}
                    Err(error) => {
                        self.tolerate::<()>(Err(error));
                    }
                }
            }
        }
        let op = self.calm.find_operation(&project, id).await.unwrap();
        let items: Vec<_> =
            self.items(id).await.into_iter().map(|item| (item.stage, item.state, item.attempts)).collect();
        panic!("never ended: {op:?}\n{items:?}");
    }

    /// Lets the world go on until nothing happens any more.
    pub(super) async fn until_still(&mut self) {
        for _ in 0..TURNS {
            if self.stands_still() {
                return;
            }
            self.turn().await;
        }
        panic!("never still: {:?}", self.model.timers());
    }

    pub(super) async fn items(&self, id: OperationId) -> Vec<Item> {
        self.calm.list_items(&self.project, id, 0, 10_000).await.unwrap().into_iter().map(|seen| seen.item).collect()
    }

    pub(super) async fn stack(&self, id: StackId) -> Stack {
        self.calm.find_stack(&self.project, id).await.unwrap()
    }

    pub(super) async fn snapshot(&self, id: SnapshotId) -> Result<Snapshot, Error> {
        self.calm.snapshot_by_id(&self.project, id).await
    }
}

pub(super) fn good_end(claimed: &Claimed, store: &Store) -> Ended {
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
            data: Value::Null,
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
        adopted: None,
    }
}

pub(super) fn new_update(base: u64, kinds: &[&str], disable_rollback: bool) -> NewUpdate {
    let NewStack { description, template, environment, files, parameters, resources, .. } = new_stack("s", kinds);
    NewUpdate {
        base,
        definition: Definition { description, template, environment, files, parameters, resources },
        tags: vec![],
        timeout_mins: None,
        disable_rollback,
    }
}

pub(super) fn operation_of(answer: &Answer) -> OperationId {
    answer.headers[0].1.parse().unwrap()
}

pub(super) fn snapshot_of(answer: &Answer) -> SnapshotId {
    serde_json::from_value(answer.answer["snapshot"].clone()).unwrap()
}
