//! Waiting for an operation, and showing how far it is.
//!
//! The operation is asked for again and again. On a terminal each resource has a bar: what is done with it now, bytes
//! of all bytes, and the rate; where there are more resources than lines, those that are being worked on are shown. In
//! a log each change is one line. The service may be away for a while meanwhile (it is being restarted): the operation
//! goes on, and so does the waiting.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use stacksnap_common::types::Progress;

use super::operation::{Operation, Step};
use super::{Client, output};
use crate::exit::{Exit, Failure};

/// For how long a service that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bars at the same time.
const LINES: usize = 16;

impl Client {
    /// Waits until the operation has ended, and fails if it is not complete then.
    pub async fn wait(&self, id: &str) -> Result<Operation, Failure> {
        let operation = self.until_ended(id).await?;
        if operation.complete() {
            return Ok(operation);
        }
        let reason = output::plain(operation.reason.as_deref().unwrap_or("no reason was given"));
        Err(Failure::failed(format!("{} {}: {reason}", operation.kind, operation.state.to_lowercase())))
    }

    /// Waits until the operation has ended, however it ended.
    pub async fn until_ended(&self, id: &str) -> Result<Operation, Failure> {
        tokio::select! {
            ended = self.watch(id) => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(
                Exit::Interrupted,
                format!("no longer waiting; the operation goes on: `stacksnap operation show {id} --wait`, or `stacksnap operation cancel {id}`"),
            )),
        }
    }

    async fn watch(&self, id: &str) -> Result<Operation, Failure> {
        let mut display = Display::new(stderr().is_terminal() && !self.quiet, self.quiet);
        let start = Instant::now();
        let mut answered = start;
        loop {
            match self.http.get(&["operations", id], &[]).await {
                Ok(reply) => {
                    answered = Instant::now();
                    let operation = Operation::of(&reply.body);
                    display.update(&operation);
                    if operation.ended() {
                        return Ok(operation);
                    }
                }
                Err(failure) if failure.exit == Exit::Unreachable && answered.elapsed() < PATIENCE => {
                    display.away(&failure);
                }
                Err(failure) if failure.exit == Exit::Unreachable => {
                    let message = format!("{failure}; the operation goes on: `stacksnap operation show {id} --wait`");
                    return Err(Failure { message, ..failure });
                }
                Err(failure) => return Err(failure),
            }
            // Short operations are answered soon, long ones asked for seldom.
            let pause = start.elapsed().div_f64(20.0).clamp(Duration::from_millis(100), Duration::from_secs(1));
            tokio::time::sleep(pause).await;
        }
    }
}

/// `12.3 MiB of 1.2 GiB, 4021 of 90000 files, 30.1 MiB/s`, as far as it is known.
pub fn amount(progress: &Progress) -> String {
    let mut parts = Vec::new();
    match progress.bytes_total {
        Some(total) => parts.push(format!("{} of {}", output::bytes(progress.bytes), output::bytes(total))),
        None if progress.bytes > 0 => parts.push(output::bytes(progress.bytes)),
        None => {}
    }
    match progress.files_total {
        Some(total) => parts.push(format!("{} of {}", progress.files, output::counted(total, "file"))),
        None if progress.files > 0 => parts.push(output::counted(progress.files, "file")),
        None => {}
    }
    if progress.rate > 0 {
        parts.push(format!("{}/s", output::bytes(progress.rate)));
    }
    parts.join(", ")
}

enum Display {
    Bars { all: MultiProgress, header: ProgressBar, bars: HashMap<String, ProgressBar>, width: usize },
    Lines { seen: HashMap<(String, String), String>, shown_away: bool },
    Nothing,
}

impl Display {
    fn new(terminal: bool, quiet: bool) -> Self {
        if quiet {
            Display::Nothing
        } else if terminal {
            let all = MultiProgress::new();
            let header = all.add(ProgressBar::new_spinner());
            header.enable_steady_tick(Duration::from_millis(120));
            Display::Bars { all, header, bars: HashMap::new(), width: 12 }
        } else {
            Display::Lines { seen: HashMap::new(), shown_away: false }
        }
    }

    fn update(&mut self, operation: &Operation) {
        match self {
            Display::Bars { all, header, bars, width } => {
                header.set_message(headline(operation));
                for step in current(&operation.steps) {
                    let name = output::plain(step.name());
                    *width = (*width).max(name.chars().count()).min(40);
                    if !bars.contains_key(&name) {
                        let live = bars.values().filter(|bar| !bar.is_finished()).count();
                        if live >= LINES || (bars.len() >= LINES && !step.running()) {
                            continue;
                        }
                        bars.insert(name.clone(), all.add(ProgressBar::new(0)));
                    }
                    if let Some(bar) = bars.get(&name) {
                        draw(bar, &name, *width, step);
                    }
                }
                if operation.ended() {
                    for bar in bars.values() {
                        bar.abandon();
                    }
                    header.finish_with_message(headline(operation));
                }
            }
            Display::Lines { seen, shown_away } => {
                *shown_away = false;
                for step in &operation.steps {
                    let key = (output::plain(step.name()), step.verb.clone());
                    let waits = !step.running() && !step.ended() && step.note.is_none();
                    // The whole stack has nothing to do in most stages.
                    let idle = step.resource.is_none() && step.state == "skipped";
                    let said = match &step.note {
                        Some(note) if !step.ended() => format!("{} {note}", step.state),
                        _ => step.state.clone(),
                    };
                    if waits || idle || seen.get(&key) == Some(&said) {
                        continue;
                    }
                    eprintln!("{}", line(step));
                    seen.insert(key, said);
                }
                if operation.ended() {
                    eprintln!("{}", headline(operation));
                }
            }
            Display::Nothing => {}
        }
    }

    fn away(&mut self, failure: &Failure) {
        // What to do about it is being done.
        let why = failure.message.trim_end_matches("; try again later");
        match self {
            Display::Bars { header, .. } => header.set_message(format!("waiting for the service: {why}")),
            Display::Lines { shown_away, .. } if !*shown_away => {
                *shown_away = true;
                eprintln!("waiting for the service: {why}");
            }
            _ => {}
        }
    }
}

fn headline(operation: &Operation) -> String {
    let done = operation.steps_done.unwrap_or(operation.steps.iter().filter(|step| step.ended()).count() as u64);
    let total = operation.steps_total.unwrap_or(operation.steps.len() as u64);
    let phase = operation.phase.as_deref().filter(|_| !operation.ended()).map(|phase| format!(", {phase}"));
    let kind = &operation.kind;
    output::plain(&format!("{kind} {}{}: {done} of {total} steps", operation.state, phase.unwrap_or_default()))
}

/// What is shown of each resource: the step at work, else the last one that ended, else the first one to come.
fn current(steps: &[Step]) -> Vec<&Step> {
    let mut order: Vec<&str> = Vec::new();
    let mut chosen: HashMap<&str, &Step> = HashMap::new();
    let rank = |step: &Step| if step.running() { 2 } else { u8::from(step.ended()) };
    for step in steps {
        match chosen.get(step.name()) {
            Some(before) if rank(step) < rank(before) => {}
            before => {
                if before.is_none() {
                    order.push(step.name());
                }
                chosen.insert(step.name(), step);
            }
        }
    }
    order.into_iter().filter_map(|name| chosen.remove(name)).collect()
}

fn draw(bar: &ProgressBar, name: &str, width: usize, step: &Step) {
    let progress = step.progress.clone().unwrap_or_default();
    let known = progress.bytes_total.filter(|total| *total > 0).is_some() && !step.ended();
    let template = if known { "{prefix} [{bar:24}] {msg}" } else { "{prefix} {msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_length(progress.bytes_total.unwrap_or(0));
    bar.set_position(progress.bytes);
    bar.set_prefix(format!("{name:width$}"));
    bar.set_message(doing(step));
}

fn doing(step: &Step) -> String {
    let amount = step.progress.as_ref().map(amount).filter(|amount| !amount.is_empty());
    let amount = amount.map_or_else(String::new, |amount| format!(", {amount}"));
    let reason = step.why().map_or_else(String::new, |reason| format!(": {reason}"));
    let state = if step.running() { String::new() } else { format!(" {}", step.state) };
    output::plain(&format!("{}{state}{amount}{reason}", step.verb))
}

/// What is told once of each state; amounts only when they are final.
fn line(step: &Step) -> String {
    let doing = if step.running() { format!("{} begun", output::plain(&step.verb)) } else { doing(step) };
    format!("{}: {doing}", output::plain(step.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(resource: &str, verb: &str, state: &str) -> Step {
        let resource = Some(resource.to_owned());
        Step { resource, verb: verb.to_owned(), state: state.to_owned(), ..Step::default() }
    }

    #[test]
    fn the_step_at_work_is_shown() {
        let steps = [
            step("a", "cut", "complete"),
            step("b", "cut", "complete"),
            step("a", "copy", "running"),
            step("b", "copy", "waiting"),
        ];
        let shown: Vec<_> = current(&steps).into_iter().map(|step| (step.name(), step.verb.as_str())).collect();
        assert_eq!(shown, [("a", "copy"), ("b", "cut")]);
        assert_eq!(line(&steps[2]), "a: copy begun");
        assert_eq!(line(&steps[0]), "a: cut complete");
        let note = Some("no live worker in pool other".to_owned());
        let waits = Step { note, ..step("b", "copy", "waiting") };
        assert_eq!(line(&waits), "b: copy waiting: no live worker in pool other");
        let reason = Some("disk full".to_owned());
        assert_eq!(line(&Step { reason, ..waits }), "b: copy waiting: disk full");
    }

    #[test]
    fn an_amount_says_what_is_known() {
        assert_eq!(amount(&Progress::default()), "");
        let progress = Progress { bytes: 1 << 20, bytes_total: Some(2 << 20), files: 1, files_total: None, rate: 1024 };
        assert_eq!(amount(&progress), "1.00 MiB of 2.00 MiB, 1 file, 1.00 KiB/s");
    }
}
