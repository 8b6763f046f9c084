//! `GET /operations/{id}/events`: server-sent events. `operation` when the operation has changed, `step` when one of its
//! steps has, all of them once at the beginning; the stream ends after the operation has. A comment every 15 s keeps
//! connections open.
//!
//! The store is asked again and again, the less often the more steps there are. Of an operation with more than 10,000
//! steps only `operation` comes. While the store is away the stream waits.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use stacksnap_common::operation::Operation;
use tokio::sync::OwnedSemaphorePermit;

use super::{OperationPath, all_steps, view};
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;

const POLL: Duration = Duration::from_millis(300);
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) async fn events(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<OperationPath>,
    _: NoBody,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let operation = path.find(&api, &caller.project).await?;
    let permit = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        Fault::new(
            axum::http::StatusCode::TOO_MANY_REQUESTS,
            "HTTPTooManyRequests",
            "Too many event streams are open; ask GET /operations/{id} instead, or try again later.",
        )
    })?;
    let watch =
        Watch { api: Arc::clone(&api), operation, seen: HashMap::new(), last: None, over: false, _permit: permit };
    let rounds = stream::unfold(watch, Watch::round).flat_map(stream::iter);
    let until = api.stopping.clone().cancelled_owned();
    Ok(Sse::new(rounds.take_until(until)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

struct Watch {
    api: Arc<Api>,
    operation: Operation,
    /// What was last sent of each step, and of the operation, as a hash: many streams of many steps take little room.
    seen: HashMap<u32, u64>,
    last: Option<u64>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// Waits until something has changed, and says what.
    async fn round(mut self) -> Option<(Vec<Result<Event, Infallible>>, Self)> {
        if self.over {
            return None;
        }
        let mut first = self.last.is_none();
        loop {
            if !first {
                tokio::time::sleep(POLL * (1 + self.seen.len() as u32 / 500)).await;
            }
            first = false;
            let (project, id) = (self.operation.project.clone(), self.operation.id);
            match self.api.store.find_operation(&project, id).await {
                Ok(operation) => self.operation = operation,
                Err(stacksnap_common::store::Error::NoOperation(_)) => return None,
                Err(_) => continue,
            }
            let Ok(steps) = all_steps(&self.api, &self.operation).await else { continue };
            let mut events = Vec::new();
            for seen in steps.iter().flatten() {
                let step = view::step(&self.operation, seen).to_string();
                let hash = hash(&step);
                if self.seen.insert(seen.index, hash) != Some(hash) {
                    events.push(event("step", step));
                }
            }
            let mut shown = view::brief(&self.operation);
            if let Some(steps) = &steps {
                shown["progress"] = view::progress(steps);
            }
            let shown = shown.to_string();
            let hash = Some(hash(&shown));
            if self.last != hash {
                events.push(event("operation", shown));
                self.last = hash;
            }
            self.over = self.operation.state.ended();
            if !events.is_empty() || self.over {
                return Some((events, self));
            }
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn event(name: &str, json: String) -> Result<Event, Infallible> {
    // JSON in one line has no line break that an event could end at.
    Ok(Event::default().event(name).data(json))
}
