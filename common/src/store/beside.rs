//! Of a step that must know what the others of its stage work on: volumes that are cut at once.

use super::keys;
use super::read::Seen;
use super::{Error, Store};
use crate::ids::{ProjectId, StepId};
use crate::operation::{Item, Of, Stage};
use crate::types::Resource;

/// Items that are read at a time.
const PAGE: usize = 1000;

impl Store {
    /// The items that the stage of `step` works on, each with its step, in their order; their resources as the stack has
    /// them now, so that one of which a restore has made another is the other. None if there is no such operation.
    pub async fn beside(&self, project: &ProjectId, step: StepId) -> Result<Vec<(StepId, Item)>, Error> {
        let op = match self.operation(project, step.operation).await {
            Ok(op) => op.value,
            Err(Error::NoOperation(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let Some(stage) = op.stages.get(usize::from(step.stage)) else { return Ok(Vec::new()) };
        let mut found = self.items_of(project, step, stage).await?;
        // What is restored is as it was captured; a safety snapshot is of what there is.
        if stage.of == Of::Safety {
            let stack = self.stack(project, op.stack).await?.value;
            let now = |old: &Resource| stack.resources.iter().find(|it| it.name == old.name && it.kind == old.kind);
            for (_, item) in &mut found {
                if let Some(now) = item.resource.as_ref().and_then(now) {
                    item.resource = Some(now.clone());
                }
            }
        }
        Ok(found)
    }

    async fn items_of(&self, project: &ProjectId, step: StepId, stage: &Stage) -> Result<Vec<(StepId, Item)>, Error> {
        let mut found = Vec::new();
        for &(mut from, to) in &stage.items {
            while from < to {
                let page = self.list_items(project, step.operation, from, PAGE.min((to - from) as usize)).await?;
                let Some(last) = page.last().map(|seen| seen.index) else { break };
                let within = page.into_iter().filter(|seen| seen.index < to);
                found.extend(within.map(|Seen { index, item, .. }| (StepId { index, ..step }, item)));
                from = last + 1;
            }
        }
        Ok(found)
    }

    /// Whether a step has come to its end, well or not; one that nobody knows (any more) has.
    pub async fn has_ended(&self, project: &ProjectId, step: StepId) -> Result<bool, Error> {
        let key = keys::item(project, step.operation, step.index);
        let item = self.read::<Item>(self.shard(project), key).await?;
        Ok(item.is_none_or(|item| item.value.ended(step.stage)))
    }
}
