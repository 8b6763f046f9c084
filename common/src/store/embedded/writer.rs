//! The one writer: a thread that applies batches in the order in which they came.
//!
//! It takes a batch, and every other that waits by then, into one transaction: one write to the disk makes them all
//! durable, and each gets its answer after that. Where only disposable batches wait, nothing is written through to the
//! disk; that happens with the next durable batch, or a second later.
//!
//! An error of the disk fails the whole group. The file is then opened again and each batch looked for by its token:
//! what is there gets its result, what is not gets the error, and nothing is left unknown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use redb::{Durability, WriteTransaction};
use tokio::sync::{oneshot, watch};

use super::Clock;
use super::file::File;
use super::tables::{self, Outcome, Tables};
use crate::store::backend::{Batch, Committed, Error, Millis};
use crate::store::rules;

/// Batches in one transaction at most.
const GROUP: usize = 256;

/// How long disposable batches stay in memory only.
const FLUSH: Duration = Duration::from_secs(1);

pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Result<Committed, Error>>,
}

pub(super) struct Writer {
    pub(super) file: Arc<File>,
    pub(super) clock: Arc<Clock>,
    pub(super) woken: watch::Sender<u64>,
}

impl Writer {
    /// Serves until every sender is gone, then writes through what is in memory only.
    pub(super) fn run(self, requests: &Receiver<Request>) {
        let mut unflushed = false;
        loop {
            let first = match unflushed {
                false => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                true => requests.recv_timeout(FLUSH),
            };
            match first {
                Ok(first) => {
                    let mut group = vec![first];
                    group.extend(requests.try_iter().take(GROUP - 1));
                    unflushed = self.serve(group, unflushed);
                }
                Err(end) => {
                    if unflushed && let Err(error) = self.file.write(|tx| Ok(tx.commit()?)) {
                        tracing::warn!(%error, "progress of the last second could not be written to the disk");
                        self.reopen();
                    }
                    unflushed = false;
                    if matches!(end, RecvTimeoutError::Disconnected) {
                        return;
                    }
                }
            }
        }
    }

    /// Applies and answers a group. Returns whether something is in memory only, as it takes whether it was.
    fn serve(&self, group: Vec<Request>, unflushed: bool) -> bool {
        let durable = group.iter().any(|request| request.batch.durable);
        if !self.file.is_open() {
            self.reopen();
        }
        // redb may panic on a file that was damaged while it is open. The answer must still come.
        let apply = || self.file.write(|tx| self.apply(tx, &group, durable));
        let outcomes = catch_unwind(AssertUnwindSafe(apply))
            .unwrap_or_else(|_| Err(Error::Corrupt("the store's file was damaged while in use".to_owned())));
        match outcomes {
            Ok(outcomes) => {
                let applied = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Applied(_)));
                for (request, outcome) in group.into_iter().zip(outcomes) {
                    self.answer(request, outcome);
                }
                if applied { !durable } else { unflushed }
            }
            Err(error) => {
                self.settle(group, &error);
                false
            }
        }
    }

    fn apply(&self, mut tx: WriteTransaction, group: &[Request], durable: bool) -> Result<Vec<Outcome>, redb::Error> {
        tx.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        let micros = self.clock.micros();
        let mut outcomes = Vec::with_capacity(group.len());
        {
            let mut tables = Tables::open(&tx)?;
            for request in group {
                outcomes.push(tables.apply(&request.batch, micros)?);
            }
            tables.forget(Millis(micros / 1000), 2 * group.len() + 8)?;
        }
        match outcomes.iter().any(|outcome| matches!(outcome, Outcome::Applied(_))) {
            true => tx.commit()?,
            false => tx.abort()?,
        }
        Ok(outcomes)
    }

    fn answer(&self, request: Request, outcome: Outcome) {
        let answer = match outcome {
            Outcome::Applied(done) | Outcome::Known(done) => {
                if rules::wakes(&request.batch, &done) {
                    self.woken.send_modify(|wakes| *wakes += 1);
                }
                Ok(done)
            }
            Outcome::Not(error) => Err(error),
        };
        // Who asked may have gone away: the batch stands all the same.
        let _ = request.answer.send(answer);
    }

    /// Answers a group whose transaction failed.
    fn settle(&self, group: Vec<Request>, error: &Error) {
        let readable = self.reopen();
        for request in group {
            let known = match readable {
                true => self.file.read(|tx| tables::known(tx, &request.batch)),
                // It may be on the disk: only sending it again can tell.
                false => Err(Error::Unavailable(error.to_string())),
            };
            match known {
                Ok(Some(done)) => self.answer(request, Outcome::Known(done)),
                Ok(None) => self.answer(request, Outcome::Not(error.again())),
                Err(unknown) => self.answer(request, Outcome::Not(unknown)),
            }
        }
    }

    fn reopen(&self) -> bool {
        match self.file.reopen() {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the store's file can't be opened again; trying at each change");
                false
            }
        }
    }
}
