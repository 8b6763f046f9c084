//! What Heat would change to bring the stack back to the snapshot's template: Heat's own preview of the update.

use std::collections::BTreeSet;

use stacksnap_common::operation::Kind;
use stacksnap_common::types::Preview;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::heat::{Changed, Changes};

use super::At;
use super::update::Target;
use crate::driver::Error;
use crate::verbs::{Ran, previewed};

/// Of each kind of change at most so many are named.
const NAMED: usize = 25;

pub(super) async fn run(at: &At<'_>) -> Result<Ran, Error> {
    let stack = at.stack().await?;
    if at.claimed.operation.kind == Kind::Restore {
        // Before anything is touched, and before a safety snapshot is taken.
        if let Some(ran) = at.unchanged(&at.seen(&stack).await?).await? {
            return Ok(ran);
        }
    }
    let target = at.target().await?;
    let mut preview = match at.heat.preview_update(&at.name, &at.id, &target.update()).await {
        Ok(changes) => counted(&changes),
        Err(error) if error.is_transient() => return Err(super::cloud(error)),
        Err(error) => {
            let said = error.to_string();
            match error.status() {
                Some(StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::CONFLICT) => {
                    Preview { blockers: vec![format!("Heat refuses the update: {said}")], ..Preview::default() }
                }
                _ => Preview {
                    notes: vec![format!("Heat can't tell what it would change: {said}")],
                    ..Preview::default()
                },
            }
        }
    };
    if !target.kept.is_empty() {
        let names = list(&target.kept);
        preview
            .notes
            .push(format!("hidden parameters are never captured; they keep the values that they have now: {names}"));
    }
    if !target.missing.is_empty() {
        let names = list(&target.missing);
        preview
            .blockers
            .push(format!("hidden parameters without a value: {names}; update the stack with values for them first"));
    }
    Ok(previewed(at.claimed, preview))
}

fn counted(changes: &Changes) -> Preview {
    let mut sample = Vec::new();
    let kinds = [
        ("create", &changes.added),
        ("update", &changes.updated),
        ("replace", &changes.replaced),
        ("delete", &changes.deleted),
    ];
    for (what, changed) in kinds {
        sample.extend(changed.iter().take(NAMED).map(|Changed { resource_name }| format!("{what} {resource_name}")));
    }
    Preview {
        creates: changes.added.len() as u64,
        overwrites: (changes.updated.len() + changes.replaced.len()) as u64,
        removes: changes.deleted.len() as u64,
        unchanged: changes.unchanged.len() as u64,
        sample,
        ..Preview::default()
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl At<'_> {
    /// What the stack is to become.
    pub(super) async fn target(&self) -> Result<Target, Error> {
        let snapshot = self.claimed.snapshot.ok_or_else(|| Error::permanent("the operation names no snapshot"))?;
        let captured = self.shared.store.captured(&self.ctx.project, snapshot).await.map_err(super::store)?;
        let present = self.heat.environment(&self.name, &self.id).await.map_err(super::cloud)?;
        Ok(Target::new(&captured, &present))
    }
}
