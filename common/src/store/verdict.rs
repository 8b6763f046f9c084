//! What the end of a stage, and of the whole operation, means for the snapshot and the stack.

use std::time::Duration;

use super::backend::{At, Batch};
use super::begin::{Rank, show};
use super::claim::{millis, show_resource};
use super::keys::{self, Timer, count};
use super::{Error, Read, Store, backend, decode, put, require_version};
use crate::ids::{ProjectId, SnapshotId};
use crate::operation::machine::{self, Next};
use crate::operation::{Item, ItemState, Kind, Of, Operation, State, Stop, Verb, When};
use crate::record::{Purpose, ResourceShown, Shown, Snapshot, Stack, Status, VerifyFailed, stop_reason};
use crate::store::Millis;
use crate::types::{Artifact, Consistency, Resource};

/// Events removed in one commit.
const TRIMMED: usize = 1_000;
const PAGE: usize = 200;

/// What a snapshot really got.
struct Got {
    consistency: Option<Consistency>,
    skew: Option<u64>,
    resources: u32,
    protected: u32,
    unprotected: Vec<String>,
    /// Of these, whatever they are, the record has all there is.
    captured: u32,
    cut_lost: bool,
}

impl Store {
    /// Records what the end of the current stage means; `true`: the operation was stopped by it.
    pub(super) async fn after_stage(&self, batch: &mut Batch, op: &mut Operation, now: Millis) -> Result<bool, Error> {
        let Some(stage) = op.current() else { return Ok(false) };
        match (stage.verb, stage.of) {
            (Verb::Thaw, _) => {
                op.thawed_at.get_or_insert(now);
                if op.stop.is_none() {
                    let place = op.stage;
                    let failed = self.failures(op, |item| item.stage == place).await?;
                    if !failed.is_empty() {
                        // Nothing is sealed that would show as failed.
                        let reason = format!("Resource SNAPSHOT failed: not thawed: {}", list(&failed, "; "));
                        return Ok(machine::stop(op, Stop::Failed { reason }));
                    }
                }
            }
            (Verb::Seal, Of::Safety) if op.stop.is_none() => {
                if let Some(safety) = op.safety {
                    let mut snapshot = self.snapshot(&op.project, safety).await?;
                    if snapshot.value.status == Status::Complete {
                        return Ok(false);
                    }
                    snapshot.value.status = Status::Complete;
                    snapshot.value.status_reason = Some(complete_reason(&snapshot.value));
                    snapshot.value.ended_at = Some(now);
                    let kept = millis(self.settings.safety_kept);
                    snapshot.value.expires_at = Some(Millis(now.0.saturating_add(kept)));
                    batch.set_timer(Timer::Expire(op.project.clone(), safety).id(), At::In(kept));
                    put_at(batch, keys::snapshot(&op.project, safety), &snapshot)?;
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Looks whether a stage should really begin; `true`: the operation was stopped instead.
    pub(super) async fn before_stage(&self, batch: &mut Batch, op: &mut Operation, stage: u16) -> Result<bool, Error> {
        let Some(next) = op.stages.get(usize::from(stage)) else { return Ok(false) };
        let snapshot = match (next.verb, next.of) {
            (Verb::Seal, Of::Snapshot) => op.snapshot,
            (Verb::Seal, Of::Safety) => op.safety,
            _ => return Ok(false),
        };
        let Some(id) = snapshot else { return Ok(false) };
        let mut snapshot = self.snapshot(&op.project, id).await?;
        let got = self.got(op, id).await?;
        if snapshot.value.purpose != Purpose::Safety
            && let Some(reason) = refused(op, &got)
        {
            let stopped = machine::stop(op, Stop::Failed { reason });
            op.redo = stopped && got.cut_lost && op.again == 0 && op.options.consistency.is_some();
            return Ok(stopped);
        }
        snapshot.value.consistency = got.consistency;
        snapshot.value.skew = got.skew;
        snapshot.value.frozen = op.frozen_at.zip(op.thawed_at).map(|(from, to)| to.0.saturating_sub(from.0));
        snapshot.value.resources = got.resources;
        snapshot.value.protected = got.protected;
        snapshot.value.status_reason = Some(protected_reason(&got));
        put_at(batch, keys::snapshot(&op.project, id), &snapshot)?;
        Ok(false)
    }

    async fn got(&self, op: &Operation, snapshot: SnapshotId) -> Result<Got, Error> {
        let artifacts = self.artifacts(&op.project, snapshot).await?;
        let cut_lost = self.items_where(op, |item| item.cut_lost).await?.next().is_some();
        let protected: Vec<&Artifact> = artifacts.iter().filter(|artifact| artifact.protected).collect();
        let cuts = || {
            protected.iter().filter(|artifact| !artifact.inline).filter_map(|artifact| artifact.cut_at.map(|at| at.0))
        };
        let unprotected = artifacts
            .iter()
            .filter(|artifact| !artifact.protected)
            .map(|artifact| format!("{} ({})", artifact.resource, artifact.why.as_deref().unwrap_or("no reason given")))
            .collect();
        // Native resources are captured together, in the commit that begins: they are of one moment, and of no other's.
        let (inline, outside): (Vec<&&Artifact>, Vec<&&Artifact>) =
            protected.iter().partition(|artifact| artifact.inline);
        let level = outside.iter().map(|artifact| artifact.consistency).min();
        let level = level.or_else(|| inline.iter().map(|artifact| artifact.consistency).min());
        let can_freeze = |artifact: &&Artifact| self.kinds.get(&artifact.kind).is_some_and(|kind| kind.quiesce);
        // One that can't be frozen was cut at a moment of its own, whatever the others did.
        let frozen = op.frozen_at.is_some() && !cut_lost && outside.iter().all(|artifact| can_freeze(artifact));
        let consistency = level.map(|level| match (outside.len(), frozen, level) {
            (0 | 1, _, level) => level,
            _ if cut_lost => Consistency::None,
            (_, true, Consistency::Crash) => Consistency::Group,
            (_, true, level) => level,
            // Each has its own moment: together they are no more than what each of them is after a power cut.
            (_, false, level) => level.min(Consistency::Crash),
        });
        Ok(Got {
            consistency,
            skew: cuts().min().zip(cuts().max()).map(|(first, last)| last - first),
            resources: artifacts.len() as u32,
            protected: protected.len() as u32,
            unprotected,
            captured: artifacts.iter().filter(|artifact| artifact.inline).count() as u32,
            cut_lost,
        })
    }

    pub(super) async fn items_where(
        &self,
        op: &Operation,
        wanted: impl Fn(&Item) -> bool,
    ) -> Result<impl Iterator<Item = Item>, Error> {
        let mut found = Vec::new();
        let prefix = keys::items(&op.project, op.id);
        let mut after = None;
        loop {
            let page = self.backend.scan(self.shard(&op.project), &prefix, after.as_ref(), PAGE).await?;
            for (key, stored) in &page {
                let item = decode::<Item>(key, stored)?.value;
                if wanted(&item) {
                    found.push(item);
                }
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                _ => return Ok(found.into_iter()),
            }
        }
    }

    /// Ends the operation: one commit with the verdict on everything that it held.
    pub(super) async fn end(&self, mut op: Read<Operation>) -> Result<bool, Error> {
        let project = op.value.project.clone();
        let now = self.now().await?;
        let (state, reason) = self.verdict(&op.value).await?;
        if state == State::Complete {
            self.clear_away(&op.value).await?;
        } else {
            self.end_resources(&op.value, &reason, now).await?;
            if op.value.kind == Kind::StackDelete {
                self.fail_snapshots(&op.value, &reason).await?;
            }
        }
        self.settle_resources(&op.value, state, now).await?;
        let shard = self.shard(&project);
        let mut batch = self.batch(shard).await?;
        require_version(&mut batch, keys::operation(&project, op.value.id), op.version);
        let was_waiting = op.value.state == State::Waiting;
        op.value.state = state;
        op.value.reason = Some(reason.clone());
        op.value.ended_at = Some(now);
        put(&mut batch, keys::operation(&project, op.value.id), &op.value)?;
        self.leave_gate(&mut batch, &op.value, was_waiting).await?;
        self.end_snapshots(&mut batch, &op.value, now).await?;
        self.end_stack(&mut batch, &op.value, now).await?;
        batch.clear_timer(Timer::Advance(project.clone(), op.value.id).id());
        batch
            .set_timer(Timer::Retire(project.clone(), op.value.id).id(), At::In(millis(self.settings.operations_kept)));
        match self.settle(&batch, Duration::from_secs(5)).await {
            Ok(_) => {
                tracing::info!(
                    %project, operation = %op.value.id, kind = op.value.kind.as_str(), stack = %op.value.stack,
                    state = state.as_str(), reason, "operation ended"
                );
                crate::metrics::operation_ended(op.value.kind.as_str(), state.as_str());
                self.wake_line(&project).await?;
                // Nobody waits for this. What a death leaves here goes with the stack's next operation.
                self.trim_events(&op.value).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The state that an operation ends in, and why, for a person.
    async fn verdict(&self, op: &Operation) -> Result<(State, String), Error> {
        let state = match machine::next(op, true) {
            Next::End(state) => state,
            Next::Start(_) if op.stop.is_some() => match &op.stop {
                Some(Stop::Cancelled { .. }) => State::Cancelled,
                _ => State::Failed,
            },
            Next::Start(_) => State::Complete,
        };
        let also = match &op.stop {
            None => self.failures(op, |_| true).await?,
            // What made it stop is told already.
            Some(_) => {
                let clears =
                    |item: &Item| op.stages.get(usize::from(item.stage)).is_some_and(|s| s.when != When::Going);
                self.failures(op, clears).await?
            }
        };
        let action = op.kind.in_reasons();
        let unchanged = if op.kind == Kind::Update {
            "; the stack's definition is what it was before: correct what is named here, and update it again"
        } else {
            ""
        };
        Ok(match (&op.stop, also.is_empty()) {
            (None, true) => (state, format!("{} {action} completed successfully", self.subject(op))),
            (None, false) => (State::Failed, format!("Resource {action} failed: {}{unchanged}", list(&also, "; "))),
            (Some(stop), true) => (state, self.with_safety(op, stop_reason(stop)).await?),
            (Some(stop), false) => {
                let reason = format!("{}; and clearing up: {}", stop_reason(stop), list(&also, "; "));
                (state, self.with_safety(op, reason).await?)
            }
        })
    }

    /// Items of steps that failed where the others went on, and why, for a person.
    async fn failures(&self, op: &Operation, wanted: impl Fn(&Item) -> bool) -> Result<Vec<String>, Error> {
        let failed = count::failed(&op.project, op.id);
        if self.backend.counters(self.shard(&op.project), &[failed]).await?.first().is_none_or(|failed| *failed == 0) {
            return Ok(Vec::new());
        }
        let failed =
            self.items_where(op, |item| matches!(item.state, ItemState::Failed { .. }) && wanted(item)).await?;
        Ok(failed
            .filter_map(|item| match item.state {
                ItemState::Failed { reason } => Some(match &item.resource {
                    Some(resource) => format!("resources.{}: {reason}", resource.name),
                    None => reason,
                }),
                _ => None,
            })
            .collect())
    }

    fn subject(&self, op: &Operation) -> &'static str {
        if op.kind.holds_stack() { "Stack" } else { "Snapshot" }
    }

    /// A restore that did not get to its end names what it restored and the snapshot that holds what was there before.
    async fn with_safety(&self, op: &Operation, mut reason: String) -> Result<String, Error> {
        if op.kind != Kind::Restore {
            return Ok(reason);
        }
        let is_restored = |item: &Item| {
            op.stages.get(usize::from(item.stage)).is_some_and(|stage| stage.verb == Verb::Restore)
                && item.state == ItemState::Done
        };
        let restored: Vec<_> =
            self.items_where(op, is_restored).await?.filter_map(|item| Some(item.resource?.name.to_string())).collect();
        if !restored.is_empty() {
            reason = format!("{reason}; restored: {}", list(&restored, ", "));
        }
        let Some(safety) = op.safety else { return Ok(reason) };
        Ok(match self.snapshot(&op.project, safety).await {
            Ok(snapshot) if snapshot.value.status == Status::Complete => {
                format!("{reason}; what was there before the restore is in safety snapshot {safety}")
            }
            // Resources are touched once it is complete.
            Ok(_) | Err(Error::NoSnapshot(_)) => format!("{reason}; nothing was touched"),
            Err(error) => return Err(error),
        })
    }

    /// Removes records that only matter while their snapshot exists, page by page, before the last commit.
    async fn clear_away(&self, op: &Operation) -> Result<(), Error> {
        let snapshots = match op.kind {
            Kind::SnapshotDelete => op.snapshot.into_iter().collect(),
            Kind::StackDelete => {
                self.all_snapshots_of(&op.project, op.stack).await?.into_iter().map(|snapshot| snapshot.id).collect()
            }
            _ => Vec::new(),
        };
        for snapshot in snapshots {
            self.remove_all(&op.project, &keys::artifacts(&op.project, snapshot)).await?;
        }
        if matches!(op.kind, Kind::StackDelete | Kind::Abandon) {
            self.remove_all(&op.project, &keys::resources(&op.project, op.stack)).await?;
        }
        if op.kind == Kind::StackDelete {
            for snapshot in self.all_snapshots_of(&op.project, op.stack).await? {
                let Read { value, version } = self.snapshot(&op.project, snapshot.id).await?;
                let mut batch = self.batch(self.shard(&op.project)).await?;
                require_version(&mut batch, keys::snapshot(&op.project, value.id), version);
                self.forget_snapshot(&mut batch, &value);
                self.settle(&batch, Duration::from_secs(5)).await?;
            }
        }
        Ok(())
    }

    /// A stack-delete failed: the snapshots that it had begun to take apart are whole no more, and show it. They can be
    /// deleted again; the others are as they were.
    async fn fail_snapshots(&self, op: &Operation, reason: &str) -> Result<(), Error> {
        let begun = self.items_where(op, |item| item.resource.is_none() && item.fence > 0).await?;
        for id in begun.filter_map(|item| item.snapshot) {
            let mut snapshot = match self.snapshot(&op.project, id).await {
                Ok(snapshot) => snapshot,
                Err(Error::NoSnapshot(_)) => continue,
                Err(error) => return Err(error),
            };
            snapshot.value.action = "DELETE".to_owned();
            snapshot.value.status = Status::Failed;
            snapshot.value.status_reason = Some(reason.to_owned());
            let mut batch = self.batch(self.shard(&op.project)).await?;
            put_at(&mut batch, keys::snapshot(&op.project, id), &snapshot)?;
            self.settle(&batch, Duration::from_secs(5)).await?;
        }
        Ok(())
    }

    /// Resources that still show that a stopped operation works on them show that it failed.
    async fn end_resources(&self, op: &Operation, reason: &str, now: Millis) -> Result<(), Error> {
        if op.kind.action().is_none() {
            return Ok(());
        }
        let known = self.resources_of(op).await?;
        let shard = self.shard(&op.project);
        let prefix = keys::resources(&op.project, op.stack);
        let mut after = None;
        loop {
            let page = self.backend.scan(shard, &prefix, after.as_ref(), PAGE).await?;
            let mut batch = self.batch(shard).await?;
            let mut changed = 0;
            for (key, stored) in &page {
                let seen = decode::<ResourceShown>(key, stored)?.value.shown;
                let Some(resource) = key.0[prefix.len()..].parse().ok().and_then(|name| known.get(&name)) else {
                    continue;
                };
                let Some(action) = op.action_for(&resource.name) else { continue };
                if seen.action == action && seen.status == Status::InProgress {
                    require_version(&mut batch, key.clone(), stored.version);
                    let shown = Shown::new(action, Status::Failed, reason);
                    show_resource(&mut batch, op, resource, shown, Rank::ResourceEnds, now)?;
                    changed += 1;
                }
            }
            if changed > 0 {
                self.settle(&batch, Duration::from_secs(5)).await?;
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Removes every record with a prefix.
    pub(super) async fn remove_all(&self, project: &ProjectId, prefix: &str) -> Result<(), Error> {
        let shard = self.shard(project);
        loop {
            let page = self.backend.scan(shard, prefix, None, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut batch = self.batch(shard).await?;
            for (key, _) in page {
                batch.delete(key);
            }
            self.settle(&batch, Duration::from_secs(5)).await?;
        }
    }

    async fn leave_gate(&self, batch: &mut Batch, op: &Operation, was_waiting: bool) -> Result<(), Error> {
        let project = &op.project;
        batch.count(count::steps(project), -i64::from(op.items), None);
        for stage in 0..op.stages.len() as u16 {
            batch.delete_counter(count::left(project, op.id, stage));
        }
        batch.delete_counter(count::failed(project, op.id));
        let shard = self.shard(project);
        if was_waiting {
            let key = keys::waiting(project, op.id);
            let [queued] = self.read_all(shard, [key.clone()]).await?;
            if let Some((_, queued)) = queued {
                require_version(batch, key.clone(), queued.version);
                batch.delete(key);
                batch.count(count::waiting(project), -1, None);
            }
        } else {
            batch.count(count::running(project), -1, None);
        }
        Ok(())
    }

    async fn end_snapshots(&self, batch: &mut Batch, op: &Operation, now: Millis) -> Result<(), Error> {
        let project = &op.project;
        if let Some(safety) = op.safety {
            match self.snapshot(project, safety).await {
                Ok(unsealed) if unsealed.value.status != Status::Complete => {
                    // What is left of it are notes of what it could not protect.
                    self.remove_all(project, &keys::artifacts(project, safety)).await?;
                    require_version(batch, keys::snapshot(project, safety), unsealed.version);
                    self.forget_snapshot(batch, &unsealed.value);
                }
                Ok(_) | Err(Error::NoSnapshot(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let Some(id) = op.snapshot else { return Ok(()) };
        let mut snapshot = match self.snapshot(project, id).await {
            Ok(snapshot) => snapshot,
            Err(Error::NoSnapshot(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let shown = &mut snapshot.value;
        if shown.busy == Some(op.id) {
            shown.busy = None;
        }
        match (op.kind, op.state) {
            (Kind::Snapshot, State::Complete) => {
                shown.status = Status::Complete;
                shown.status_reason = Some(complete_reason(shown));
                shown.ended_at = Some(now);
            }
            (Kind::Snapshot, _) => {
                shown.status = Status::Failed;
                shown.status_reason.clone_from(&op.reason);
                shown.ended_at = Some(now);
            }
            (Kind::SnapshotDelete, State::Complete) => {
                self.forget_snapshot(batch, shown);
                return Ok(());
            }
            (Kind::SnapshotDelete, _) => {
                shown.status = Status::Failed;
                shown.status_reason.clone_from(&op.reason);
            }
            (Kind::Verify, State::Complete) if op.options.resources.is_empty() => {
                shown.last_verified = Some(now);
                shown.verify_failed = None;
            }
            (Kind::Verify, State::Failed) => {
                let reason = op.reason.clone().unwrap_or_default();
                shown.verify_failed = Some(VerifyFailed { at: now, reason });
            }
            (Kind::Plan, _) => return Ok(()),
            _ => {}
        }
        put_at(batch, keys::snapshot(project, id), &snapshot)
    }

    /// Removes a snapshot's records, all but its artifacts.
    fn forget_snapshot(&self, batch: &mut Batch, snapshot: &Snapshot) {
        let project = &snapshot.project;
        batch.delete(keys::snapshot(project, snapshot.id));
        batch.delete(keys::snapshot_of(project, snapshot.stack, snapshot.created_at, snapshot.id));
        batch.delete(keys::captured(project, snapshot.id));
        batch.clear_timer(Timer::Expire(project.clone(), snapshot.id).id());
        if snapshot.purpose != Purpose::Safety {
            batch.count(count::snapshots(project), -1, None);
            batch.count(count::snapshots_of(project, snapshot.stack), -1, None);
        }
    }

    async fn end_stack(&self, batch: &mut Batch, op: &Operation, now: Millis) -> Result<(), Error> {
        let Some(action) = op.kind.action() else { return Ok(()) };
        let project = &op.project;
        let mut stack = match self.stack(project, op.stack).await {
            Ok(stack) => stack,
            Err(Error::NoStack(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let reason = op.reason.clone().unwrap_or_default();
        let status = if op.state == State::Complete { Status::Complete } else { Status::Failed };
        if stack.value.busy == Some(op.id) {
            stack.value.busy = None;
        }
        if op.kind == Kind::StackDelete {
            stack.value.deleting = None;
            if op.state == State::Complete {
                self.forget_stack(batch, &mut stack.value, now);
            }
        }
        if op.kind == Kind::Abandon && op.state == State::Complete {
            self.give_up(batch, op, &mut stack.value, now);
        }
        self.end_definition(batch, op, &mut stack.value, now).await?;
        match stack.value.deleting {
            // A delete waited for this; it has the stack from now on, and goes on showing DELETE.
            Some(deleting) => {
                stack.value.busy = Some(deleting);
                batch.set_timer(Timer::Advance(project.clone(), deleting).id(), At::NOW);
            }
            None if op.kind == Kind::Update && status == Status::Failed => {
                self.show_failed_update(batch, op, &mut stack.value, now)?;
            }
            None => {
                let foreign = |resource: &Resource| self.kinds.get(&resource.kind).is_none();
                let partly = op.kind == Kind::Check && stack.value.resources.iter().any(foreign);
                let partly = if partly { ". 'CHECK' not fully supported (see resources)" } else { "" };
                show(batch, &mut stack.value, Shown::new(action, status, format!("{reason}{partly}")), now)?;
            }
        }
        put_at(batch, keys::stack(project, op.stack), &stack)
    }

    fn forget_stack(&self, batch: &mut Batch, stack: &mut Stack, now: Millis) {
        let project = &stack.project;
        stack.deleted_at = Some(now);
        batch.delete(keys::stack_name(project, &stack.name));
        batch.count(count::stacks(project), -1, None);
        batch.count(count::resources(project), -(stack.resources.len() as i64), None);
        batch.delete_counter(count::snapshots_of(project, stack.id));
    }

    /// Keeps a stack's newest events; Heat does so too (`max_events_per_stack`).
    async fn trim_events(&self, op: &Operation) -> Result<(), Error> {
        let shard = self.shard(&op.project);
        let prefix = keys::events(&op.project, op.stack);
        let keep = self.settings.events.min(9_000);
        loop {
            let events = self.backend.scan(shard, &prefix, None, keep + TRIMMED).await?;
            let many = events.len().saturating_sub(keep);
            if many == 0 {
                return Ok(());
            }
            let mut batch = self.batch(shard).await?.disposable();
            for (key, _) in events.into_iter().take(many) {
                batch.delete(key);
            }
            self.settle(&batch, Duration::from_secs(5)).await?;
        }
    }
}

fn put_at<T: serde::Serialize>(batch: &mut Batch, key: backend::Key, read: &Read<T>) -> Result<(), Error> {
    require_version(batch, key.clone(), read.version);
    put(batch, key, &read.value)
}

/// Why a snapshot with what it got is not one.
fn refused(op: &Operation, got: &Got) -> Option<String> {
    if got.protected == 0 && got.captured == 0 && got.resources > 0 && !op.options.allow_unprotected {
        return Some(format!(
            "none of the {} resources is protected: {}; ask with \"allow_unprotected\": true for a snapshot of the \
             template alone",
            got.resources,
            list(&got.unprotected, ", ")
        ));
    }
    let demanded = op.options.consistency?;
    let reached = got.consistency.unwrap_or(Consistency::None);
    (reached < demanded).then(|| {
        format!(
            "consistency {} was demanded and {} was reached",
            format!("{demanded:?}").to_lowercase(),
            format!("{reached:?}").to_lowercase()
        )
    })
}

/// The first few of many, and how many more there are: a reason is for a person to read.
fn list(all: &[String], between: &str) -> String {
    const SHOWN: usize = 20;
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}{between}and {more} more"),
    }
}

fn protected_reason(got: &Got) -> String {
    if got.unprotected.is_empty() {
        return "Stack SNAPSHOT completed successfully".to_owned();
    }
    format!("{} of {} resources protected; not: {}", got.protected, got.resources, list(&got.unprotected, ", "))
}

pub(super) fn complete_reason(snapshot: &Snapshot) -> String {
    snapshot.status_reason.clone().unwrap_or_else(|| "Stack SNAPSHOT completed successfully".to_owned())
}
