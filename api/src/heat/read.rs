//! A stack as Heat has it now, read with the caller's own token when an operation on it begins.

use axum::http::HeaderMap;
use stacksnap_common::heat::{Mirror, Seen};
use stacksnap_common::ids::ProjectId;
use stacksnap_common::types::Artifact;
use stacksnap_openstack::heat::Stack;
use stacksnap_openstack::{Error, StatusCode};

use super::{Heat, captured, tree};
use crate::Api;
use crate::fault::Fault;
use crate::stacks::StackPath;

/// What there is to know of it.
pub(super) struct Found {
    pub(super) mirror: Mirror,
    pub(super) captured: Vec<Artifact>,
}

pub(super) fn seen(stack: &Stack) -> Seen {
    Seen { status: stack.stack_status.clone(), updated: stack.updated_time.clone(), event: None }
}

impl Heat {
    /// The stack itself; 404 of one that is deleted.
    pub(super) async fn stack(
        &self,
        project: &ProjectId,
        path: &StackPath,
        headers: &HeaderMap,
    ) -> Result<Stack, Fault> {
        let found = self.of(project, headers).stack(&path.stack_name, &path.stack_id).await;
        match found {
            Ok(stack) if stack.stack_status == "DELETE_COMPLETE" => Err(Fault::no_stack(&path.stack_name)),
            Ok(stack) => Ok(stack),
            Err(error) => Err(fault(error, path)),
        }
    }

    /// Refused (409) while Heat works on it.
    pub(crate) async fn idle(&self, project: &ProjectId, path: &StackPath, headers: &HeaderMap) -> Result<(), Fault> {
        let seen = seen(&self.stack(project, path, headers).await?);
        if seen.in_progress() { Err(Fault::busy(&path.stack_name, seen.action())) } else { Ok(()) }
    }

    /// All that an operation needs of it. Refused (409) while Heat works on it.
    pub(super) async fn read(
        &self,
        api: &Api,
        project: &ProjectId,
        path: &StackPath,
        headers: &HeaderMap,
    ) -> Result<Found, Fault> {
        let stack = self.stack(project, path, headers).await?;
        let mut seen = seen(&stack);
        if seen.in_progress() {
            return Err(Fault::busy(&path.stack_name, seen.action()));
        }
        let heat = self.of(project, headers);
        let (name, id) = (stack.stack_name.as_str(), stack.id.as_str());
        let (template, mut environment, files, resources, event) = tokio::try_join!(
            heat.template(name, id),
            heat.environment(name, id),
            heat.files(name, id),
            heat.resources(name, id),
            heat.newest_event(name, id),
        )
        .map_err(|error| fault(error, path))?;
        // Of the answer, and not of the environment: a snapshot's data has it not.
        if let Some(environment) = environment.as_object_mut() {
            environment.remove("encrypted_param_names");
        }
        seen.event = event.map(|event| event.id);
        let most = api.limits.resources_per_stack as usize;
        if resources.len() > most {
            let why = format!(
                "Request limit exceeded: the stack has {} resources; at most {most} can be in a snapshot.",
                resources.len()
            );
            return Err(Fault::refused("RequestLimitExceeded", why));
        }
        let nodes = tree::walk(&resources, &template).map_err(Fault::bad_request)?;
        let has_driver = |kind: &str| api.store.kinds.get(kind).is_some();
        let captured = captured::captured(&nodes, &template, has_driver);
        let unfit = |error: stacksnap_common::ids::Invalid| Fault::bad_request(error.to_string());
        let mirror = Mirror {
            id: id.parse().map_err(unfit)?,
            name: name.parse().map_err(unfit)?,
            seen,
            reason: stack.stack_status_reason.clone().unwrap_or_default(),
            description: stack.description.clone().unwrap_or_default(),
            template,
            environment,
            files,
            tags: stack.tags.clone().unwrap_or_default(),
            timeout_mins: stack.timeout_mins,
            disable_rollback: stack.disable_rollback.unwrap_or(true),
            owner: stack.stack_owner.clone().unwrap_or_default(),
            resources: nodes.into_iter().map(|node| node.resource).collect(),
        };
        Ok(Found { mirror, captured })
    }
}

/// What Heat's refusal means for who asked us.
pub(super) fn fault(error: Error, path: &StackPath) -> Fault {
    match error.status() {
        Some(StatusCode::NOT_FOUND) => Fault::no_stack(&path.stack_name),
        Some(StatusCode::FORBIDDEN) => Fault::forbidden("Heat does not let this token read the stack."),
        Some(StatusCode::UNAUTHORIZED) => Fault::unauthenticated("Keystone"),
        _ => {
            tracing::warn!("503: Heat: {error}");
            Fault::heat_away("it did not answer as it should")
        }
    }
}
