//! What comes next: the pure half of `advance`.
//!
//! An operation goes through its stages in order. While nothing is wrong it runs every stage that is `Going`; once it
//! stops it runs only what is owed (a thaw, if the freeze was tried) and what undoes (unless what it would undo was
//! finished before). Then it ends, with a reason.

use super::{Operation, State, Stop, When};

/// The next thing to do for an operation whose current stage has ended in every item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Start(u16),
    End(State),
}

/// `begun`: whether the operation's `stage` was started; false for an operation that has just been prepared.
pub fn next(op: &Operation, begun: bool) -> Next {
    let from = if begun { op.stage + 1 } else { op.stage };
    let wanted = |index: &u16| {
        let stage = &op.stages[usize::from(*index)];
        !stage.is_empty()
            && match stage.when {
                When::Going => op.stop.is_none(),
                When::Owed { after } => op.reached.is_some_and(|reached| reached >= after),
                When::Undo { unless } => op.stop.is_some() && op.reached.is_some_and(|reached| reached <= unless),
            }
    };
    match (from..op.stages.len() as u16).find(wanted) {
        Some(stage) => Next::Start(stage),
        None => Next::End(match &op.stop {
            None => State::Complete,
            Some(Stop::Failed { .. }) => State::Failed,
            Some(Stop::Cancelled { .. }) => State::Cancelled,
        }),
    }
}

/// Notes that a stage starts.
pub fn start(op: &mut Operation, stage: u16) {
    if op.stages[usize::from(stage)].when == When::Going {
        op.reached = Some(stage);
    }
    op.stage = stage;
}

/// Stops an operation, for the first reason that is given; a later one changes nothing. One that had stopped only to
/// begin again now stops for good.
pub fn stop(op: &mut Operation, why: Stop) -> bool {
    if op.state.ended() || (op.stop.is_some() && !op.redo) {
        return false;
    }
    op.redo = false;
    op.stop = Some(why);
    true
}
