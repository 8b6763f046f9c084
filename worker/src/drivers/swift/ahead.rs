//! Calls that are under way at the same time, whose answers are taken in the order in which they were asked.

use std::collections::VecDeque;
use std::future::Future;

use tokio_util::task::AbortOnDropHandle;

use super::call::Calls;
use crate::driver::Error;

/// For a thread that may block. What is under way is given up when it is dropped.
pub(super) struct Ahead<T> {
    calls: Calls,
    most: usize,
    under_way: VecDeque<AbortOnDropHandle<Result<T, Error>>>,
}

impl<T: Send + 'static> Ahead<T> {
    pub(super) fn new(calls: &Calls, most: usize) -> Self {
        Self { calls: calls.clone(), most, under_way: VecDeque::with_capacity(most) }
    }

    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= self.most
    }

    pub(super) fn push(&mut self, call: impl Future<Output = Result<T, Error>> + Send + 'static) {
        self.under_way.push_back(AbortOnDropHandle::new(self.calls.runtime().spawn(call)));
    }

    /// The oldest. `None`: nothing is under way.
    pub(super) fn next(&mut self) -> Result<Option<T>, Error> {
        let Some(oldest) = self.under_way.pop_front() else { return Ok(None) };
        let ended = |error| Error::transient(format!("a task of the Swift driver ended: {error}"));
        self.calls.block(oldest).map_err(ended)?.map(Some)
    }
}
