//! Every metric of the product: its name, what it says, and the one function that writes it.
//!
//! All names begin with `stacksnap_`. Labels have few values: never a project, a stack or an id. What a process reports
//! is its own; sums and rates are Prometheus's work.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::queue::{Lane, Route};

const REQUESTS: &str = "stacksnap_http_requests_total";
const REQUEST_SECONDS: &str = "stacksnap_http_request_duration_seconds";
const OPERATIONS_STARTED: &str = "stacksnap_operations_started_total";
const OPERATIONS_ENDED: &str = "stacksnap_operations_ended_total";
const STEPS: &str = "stacksnap_steps_total";
const STEP_SECONDS: &str = "stacksnap_step_duration_seconds";
const STEPS_RUNNING: &str = "stacksnap_steps_running";
const TAKEOVERS: &str = "stacksnap_lease_takeovers_total";
const LEASES_LOST: &str = "stacksnap_leases_lost_total";
const BYTES: &str = "stacksnap_bytes_total";
const QUEUE_DEPTH: &str = "stacksnap_queue_depth";
const PUBLISHED: &str = "stacksnap_queue_published_total";
const UP: &str = "stacksnap_backend_up";

/// Which way bytes of resources went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Read from resources, into the vault.
    Protected,
    /// Out of the vault, into resources.
    Restored,
}

/// What became of one run of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    Done,
    /// To be looked at again: a poll, or the resource was not ready.
    Later,
    /// Failed, and will be tried again.
    Retried,
    /// Failed for good.
    Failed,
    Cancelled,
    /// Given back because the worker stops.
    HandedBack,
    /// Another worker has the step; nothing was recorded.
    LeaseLost,
}

impl StepOutcome {
    fn as_str(self) -> &'static str {
        match self {
            StepOutcome::Done => "done",
            StepOutcome::Later => "later",
            StepOutcome::Retried => "retried",
            StepOutcome::Failed => "failed",
            StepOutcome::Cancelled => "cancelled",
            StepOutcome::LeaseLost => "lease_lost",
            StepOutcome::HandedBack => "handed_back",
        }
    }
}

/// What the process stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Store,
    Queue,
}

/// Where the metrics of this process can be read. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The whole text, in Prometheus's exposition format (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// To be called every few seconds: without it, what is measured and never read would pile up.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// Makes this process count. Once in a process; before it, the functions below do nothing.
pub fn install() -> Result<Metrics, BuildError> {
    let recorder = recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    describe();
    Ok(Metrics(handle))
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    const REQUEST: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];
    const STEP: [f64; 10] = [0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0];
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &REQUEST)?
        .set_buckets_for_metric(Matcher::Full(STEP_SECONDS.to_owned()), &STEP)?
        .build_recorder())
}

fn describe() {
    describe_counter!(REQUESTS, "HTTP requests answered, by method, route and status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time to answer a request, by method and route");
    describe_counter!(OPERATIONS_STARTED, "Operations accepted, by kind");
    describe_counter!(OPERATIONS_ENDED, "Operations ended, by kind and state");
    describe_counter!(STEPS, "Runs of steps, by lane, verb and outcome");
    describe_histogram!(STEP_SECONDS, Unit::Seconds, "Time that one run of a step took, by lane and verb");
    describe_gauge!(STEPS_RUNNING, "Steps that this process runs now, by lane");
    describe_counter!(TAKEOVERS, "Steps claimed whose worker had let its lease end");
    describe_counter!(LEASES_LOST, "Leases that this process lost to another one");
    describe_counter!(BYTES, Unit::Bytes, "Bytes of resources moved, by direction: protected, restored");
    describe_gauge!(QUEUE_DEPTH, "Jobs that wait in a queue, by queue");
    describe_counter!(PUBLISHED, "Jobs sent to the queue, by lane and outcome: confirmed, failed");
    describe_gauge!(UP, "Whether this process reaches its store and its queue: 1 or 0");
}

/// A request was answered. `route` is the route's pattern, never the path that was asked for.
pub fn request(method: &'static str, route: &str, status: u16, took: Duration) {
    counter!(REQUESTS, "method" => method, "route" => route.to_owned(), "status" => status.to_string()).increment(1);
    histogram!(REQUEST_SECONDS, "method" => method, "route" => route.to_owned()).record(took);
}

/// An operation was accepted.
pub fn operation_started(kind: &'static str) {
    counter!(OPERATIONS_STARTED, "kind" => kind).increment(1);
}

/// An operation reached its end; `state` as callers see it.
pub fn operation_ended(kind: &'static str, state: &'static str) {
    counter!(OPERATIONS_ENDED, "kind" => kind, "state" => state).increment(1);
}

/// One run of a step ended.
pub fn step(lane: Lane, verb: &'static str, outcome: StepOutcome, took: Duration) {
    counter!(STEPS, "lane" => lane.as_str(), "verb" => verb, "outcome" => outcome.as_str()).increment(1);
    histogram!(STEP_SECONDS, "lane" => lane.as_str(), "verb" => verb).record(took);
}

/// Counts a step as running until it is dropped.
#[must_use = "the step counts as running until this is dropped"]
#[derive(Debug)]
pub struct Running(Lane);

pub fn step_running(lane: Lane) -> Running {
    gauge!(STEPS_RUNNING, "lane" => lane.as_str()).increment(1);
    Running(lane)
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!(STEPS_RUNNING, "lane" => self.0.as_str()).decrement(1);
    }
}

/// A step was claimed whose last worker had not ended it.
pub fn takeover() {
    counter!(TAKEOVERS).increment(1);
}

/// This process found that a lease of its own was over.
pub fn lease_lost() {
    counter!(LEASES_LOST).increment(1);
}

/// Bytes of a resource were moved.
pub fn bytes(direction: Direction, count: u64) {
    let direction = match direction {
        Direction::Protected => "protected",
        Direction::Restored => "restored",
    };
    counter!(BYTES, "direction" => direction).increment(count);
}

/// Jobs that wait in a route, as the queue says.
pub fn queue_depth(route: &Route, jobs: u64) {
    gauge!(QUEUE_DEPTH, "queue" => route.to_string()).set(jobs as f64);
}

/// A job was sent; `confirmed` says whether the queue has it.
pub fn published(lane: Lane, confirmed: bool) {
    let outcome = if confirmed { "confirmed" } else { "failed" };
    counter!(PUBLISHED, "lane" => lane.as_str(), "outcome" => outcome).increment(1);
}

/// Whether the store or the queue answered when it was last asked.
pub fn backend_up(backend: Backend, up: bool) {
    let backend = match backend {
        Backend::Store => "store",
        Backend::Queue => "queue",
    };
    gauge!(UP, "backend" => backend).set(if up { 1.0 } else { 0.0 });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Each function writes its metric, under its name, with a description, and `promtool` could read the text.
    #[test]
    fn every_metric_is_described_and_written() {
        let recorder = recorder().unwrap();
        let metrics = Metrics(recorder.handle());
        metrics::with_local_recorder(&recorder, || {
            describe();
            request("GET", "/v1/{project}/stacks", 200, Duration::from_millis(3));
            operation_started("snapshot");
            operation_ended("snapshot", "COMPLETE");
            let running = step_running(Lane::Data);
            drop(step_running(Lane::Data));
            step(Lane::Data, "copy", StepOutcome::Done, Duration::from_secs(2));
            takeover();
            lease_lost();
            bytes(Direction::Protected, 4096);
            queue_depth(&Route { pool: "default".parse().unwrap(), lane: Lane::Cut }, 7);
            published(Lane::Cut, true);
            backend_up(Backend::Store, true);
            metrics.upkeep();
            let text = metrics.render();
            for line in [
                "stacksnap_http_requests_total{method=\"GET\",route=\"/v1/{project}/stacks\",status=\"200\"} 1",
                "stacksnap_http_request_duration_seconds_bucket{method=\"GET\",route=\"/v1/{project}/stacks\",le=\"0.005\"} 1",
                "stacksnap_operations_started_total{kind=\"snapshot\"} 1",
                "stacksnap_operations_ended_total{kind=\"snapshot\",state=\"COMPLETE\"} 1",
                "stacksnap_steps_total{lane=\"data\",verb=\"copy\",outcome=\"done\"} 1",
                "stacksnap_steps_running{lane=\"data\"} 1",
                "stacksnap_step_duration_seconds_sum{lane=\"data\",verb=\"copy\"} 2",
                "stacksnap_lease_takeovers_total 1",
                "stacksnap_leases_lost_total 1",
                "stacksnap_bytes_total{direction=\"protected\"} 4096",
                "stacksnap_queue_depth{queue=\"stacksnap.default.cut\"} 7",
                "stacksnap_queue_published_total{lane=\"cut\",outcome=\"confirmed\"} 1",
                "stacksnap_backend_up{backend=\"store\"} 1",
            ] {
                assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
            }
            let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
            assert_eq!(types, text.lines().filter(|line| line.starts_with("# HELP")).count(), "{text}");
            drop(running);
        });
    }
}
