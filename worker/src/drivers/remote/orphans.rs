//! Snapshots of other services' stacks that are named as ours are, for whoever looks for those that no record knows.
//!
//! A snapshot over there has a name and no metadata: it says which step made it, and neither project nor snapshot of ours.
//! Each region that has the service is searched, in the session's own project: no service lists another's stacks.

use async_trait::async_trait;
use stacksnap_common::ids::StepId;
use stacksnap_openstack::Session;
use stacksnap_openstack::heat::{Heat, Snapshot, Stack};

use super::TYPE;
use crate::drivers::openstack::marks;
use crate::drivers::openstack::orphans::until_gone;
use crate::orphans::{Error, Finder, Listed, Mark, Thing, moment, service};

#[derive(Debug)]
pub struct OfStacks {
    pub session: Session,
    /// Our projects are Keystone's: stacks are their callers', and the session is none of theirs.
    pub same_projects: bool,
}

const SERVICE: &str = "orchestration";

/// One of ours over there.
struct Ours {
    heat: Heat,
    stack: Stack,
    snapshot: Snapshot,
    step: StepId,
}

#[async_trait]
impl Finder for OfStacks {
    fn place(&self) -> &'static str {
        "other orchestration services"
    }

    async fn list(&self) -> Result<Listed, Error> {
        let project = self.session.token().await.map_err(service)?.project.map(|it| it.id).unwrap_or_default();
        let found = self.ours().await?;
        let things = found.into_iter().map(|Ours { stack, snapshot, step, .. }| {
            let thing = Thing {
                what: "stack snapshot".to_owned(),
                id: snapshot.id,
                project: project.clone(),
                stack: Some(stack.stack_name),
                snapshot: None,
                resource: None,
                made_at: snapshot.creation_time.as_deref().and_then(moment),
                bytes: 0,
            };
            (thing, Mark::Step { step, kind: TYPE })
        });
        let mut listed = Listed { things: things.collect(), notes: Vec::new() };
        if self.same_projects && !self.session.regions(SERVICE).await.map_err(service)?.is_empty() {
            listed.notes.push(format!(
                "snapshots of stacks of other services were searched in project {project} only: they are in their \
                 callers' projects"
            ));
        }
        Ok(listed)
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let found = self.ours().await?;
        let Some(Ours { heat, stack, snapshot, .. }) = found.iter().find(|it| it.snapshot.id == thing.id) else {
            return Ok(());
        };
        let (name, id) = (&stack.stack_name, &stack.id);
        heat.delete_snapshot(name, id, &snapshot.id).await.map_err(service)?;
        until_gone("the service over there", move || async move {
            let found = heat.snapshot(name, id, &snapshot.id).await?;
            // One that can't be deleted has failed as a whole.
            let failed = found.status == "FAILED" && found.action.as_deref() == Some("DELETE");
            Ok(Some(if failed { format!("error ({})", found.status_reason.unwrap_or_default()) } else { found.status }))
        })
        .await
    }
}

impl OfStacks {
    async fn ours(&self) -> Result<Vec<Ours>, Error> {
        let mut ours = Vec::new();
        for region in self.session.regions(SERVICE).await.map_err(service)? {
            let session = self.session.in_region(&region);
            let url = session.endpoint(SERVICE).await.map_err(service)?;
            let heat = Heat::of_project(session, url);
            for stack in heat.stacks().await.map_err(service)? {
                let snapshots = match heat.snapshots(&stack.stack_name, &stack.id).await {
                    // It was deleted meanwhile, and its snapshots with it.
                    Err(error) if error.is_gone() => continue,
                    snapshots => snapshots.map_err(service)?,
                };
                let named = snapshots.into_iter().filter_map(|it| Some((marks::step(it.name.as_deref()?)?, it)));
                ours.extend(named.map(|(step, snapshot)| Ours {
                    heat: heat.clone(),
                    stack: stack.clone(),
                    snapshot,
                    step,
                }));
            }
        }
        Ok(ours)
    }
}
