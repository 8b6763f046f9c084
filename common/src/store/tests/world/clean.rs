//! What must be when all has ended: nothing is left over, and the records tell the truth.

use super::World;
use crate::ids::ProjectId;
use crate::operation::State;
use crate::record::Snapshot;
use crate::store::keys::count;
use crate::store::{Backend, decode};
use crate::types::Artifact;

impl World {
    /// Nothing is left over: no step counted, no item running, no timer but those for old age, nothing outside that no
    /// record points at.
    pub(in crate::store::tests) async fn assert_clean(&mut self) {
        self.until_still().await;
        self.assert_clean_of(&self.project.clone()).await;
    }

    pub(in crate::store::tests) async fn assert_clean_of(&self, project: &ProjectId) {
        let shard = self.calm.shard(project);
        let counts = [count::running(project), count::waiting(project), count::steps(project)];
        assert_eq!(self.model.counters(shard, &counts).await.unwrap(), [0, 0, 0], "counters");
        for prefix in ["progress/", "waiting/", "pending/"] {
            let prefix = format!("{prefix}{project}/");
            let left = self.model.scan(shard, &prefix, None, 10).await.unwrap();
            assert!(left.is_empty(), "left over: {left:?}");
        }
        let ops = self.calm.list_operations(project, None, 1000).await.unwrap();
        for op in &ops {
            assert!(op.state.ended(), "{op:?}");
            let reason = op.reason.as_deref().unwrap_or_default();
            assert!(!reason.is_empty() && (op.state == State::Complete) == reason.ends_with("successfully"), "{op:?}");
            for (stage, _) in op.stages.iter().enumerate() {
                let left = [count::left(project, op.id, stage as u16)];
                assert_eq!(self.model.counters(shard, &left).await.unwrap(), [0]);
            }
        }
        let known = self.snapshots(project).await;
        let listed = known.iter().filter(|(snapshot, _)| snapshot.listed()).count() as i64;
        assert_eq!(self.model.counters(shard, &[count::snapshots(project)]).await.unwrap(), [listed], "snapshots");
        let live: Vec<_> = self.calm.list_stacks(project).await.unwrap();
        let live: Vec<_> = live.iter().filter(|stack| stack.deleted_at.is_none()).collect();
        let resources: usize = live.iter().map(|stack| stack.resources.len()).sum();
        let counts = [count::stacks(project), count::resources(project)];
        assert_eq!(self.model.counters(shard, &counts).await.unwrap(), [live.len() as i64, resources as i64]);
        for stack in live {
            assert_eq!((stack.busy, stack.deleting), (None, None), "{stack:?}");
            for (name, seen) in self.calm.resources_shown(project, stack.id).await.unwrap() {
                let known = stack.resources.iter().any(|resource| resource.name.as_str() == name);
                assert!(known, "{name} is shown, and is not of {stack:?}");
                assert_ne!(seen.shown.status, crate::record::Status::InProgress, "{name}: {seen:?}");
            }
        }
    }

    /// All snapshots of a project and what they hold.
    async fn snapshots(&self, project: &ProjectId) -> Vec<(Snapshot, Vec<Artifact>)> {
        let shard = self.calm.shard(project);
        let mut known = Vec::new();
        let prefix = format!("snapshot/{project}/");
        for (key, stored) in self.model.scan(shard, &prefix, None, 1000).await.unwrap() {
            let snapshot = decode::<Snapshot>(&key, &stored).unwrap().value;
            assert_eq!(snapshot.busy, None, "{snapshot:?}");
            let artifacts = self.calm.artifacts(project, snapshot.id).await.unwrap();
            known.push((snapshot, artifacts));
        }
        let artifacts = self.model.scan(shard, &format!("artifact/{project}/"), None, 1000).await.unwrap();
        assert_eq!(
            artifacts.len(),
            known.iter().map(|(_, artifacts)| artifacts.len()).sum::<usize>(),
            "artifacts of none"
        );
        known
    }

    /// What is outside is what the records say.
    pub(in crate::store::tests) async fn assert_outside(&self, projects: &[&ProjectId]) {
        let mut known = Vec::new();
        for project in projects {
            known.extend(self.snapshots(project).await);
        }
        self.outside.assert_whole(&known);
    }
}
