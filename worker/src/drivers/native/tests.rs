//! The driver by itself; that the store puts back what it keeps is shown end to end, in `tests/it`.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Instant;

use stacksnap_common::ids::{OperationId, ProjectId, SnapshotId, StackId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::Resource;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cloud::NoCloud;
use crate::driver::VaultSource;
use crate::drivers::contract::AllKept;
use crate::lease::Lease;
use crate::progress::Progress;
use crate::vault::Vault;

/// None of what is tested here opens a vault.
struct NoVault;

#[async_trait]
impl VaultSource for NoVault {
    async fn vault(&self, _project: &ProjectId) -> Result<Vault, Error> {
        Err(Error::permanent("a vault was opened"))
    }

    async fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        Ok(Vec::new())
    }
}

fn resource(properties: Value) -> Resource {
    let mut resource = Resource {
        name: "t".parse().unwrap(),
        kind: "OS::Heat::TestResource".to_owned(),
        external_id: None,
        properties: serde_json::from_value(properties).unwrap(),
        depends_on: Vec::new(),
        pool: Default::default(),
        data: Value::Null,
    };
    let native = native::get(&resource.kind).unwrap();
    native::make::make(native, &mut resource, None, &"s".parse().unwrap()).unwrap();
    resource
}

fn ctx(resource: &Resource, current: Option<&Resource>) -> Ctx {
    Ctx {
        step: StepId { operation: OperationId::next(), stage: 3, index: 0 },
        project: "p".parse().unwrap(),
        stack: StackId::random(),
        snapshot: Some(SnapshotId::random()),
        resource: Arc::new(resource.clone()),
        current: current.cloned().map(Arc::new),
        checkpoint: Value::Null,
        volumes: None,
        servers: Default::default(),
        leaves: false,
        may_move: true,
        safety: Default::default(),
        progress: Progress::default(),
        cancel: CancellationToken::new(),
        lease: Lease::new(1, Instant::now(), Duration::from_secs(3600)),
        vault: Arc::new(NoVault),
        cloud: Arc::new(NoCloud),
        records: Arc::new(AllKept),
        now: Millis(1_000_000),
    }
}

async fn copied(resource: &Resource) -> Artifact {
    match Native.copy(&ctx(resource, Some(resource)), Cut::None).await.unwrap() {
        Outcome::Done(artifact) => artifact,
        Outcome::Later { .. } => panic!("a copy takes no time"),
    }
}

async fn previewed(resource: &Resource, current: Option<&Resource>, artifact: &Artifact) -> Preview {
    match Native.preview(&ctx(resource, current), artifact).await.unwrap() {
        Outcome::Done(preview) => preview,
        Outcome::Later { .. } => panic!("a preview takes no time"),
    }
}

#[tokio::test]
async fn a_wait_is_a_timer_and_ends_when_its_time_is_over() {
    let waits = resource(json!({"action_wait_secs": {"create": 2}, "value": "a"}));
    let mut ctx = ctx(&waits, None);
    let Outcome::Later { after, checkpoint } = Native.act(&ctx, Kind::Create).await.unwrap() else { panic!("at once") };
    assert_eq!(after, Duration::from_secs(2));
    ctx.checkpoint = checkpoint;
    ctx.now = Millis(1_001_500);
    let Outcome::Later { after, .. } = Native.act(&ctx, Kind::Create).await.unwrap() else { panic!("too early") };
    assert_eq!(after, Duration::from_millis(500), "counted from the first look");
    ctx.now = Millis(1_002_000);
    assert!(matches!(Native.act(&ctx, Kind::Create).await, Ok(Outcome::Done(_))));
    ctx.checkpoint = Value::Null;
    assert!(matches!(Native.act(&ctx, Kind::Update).await, Ok(Outcome::Done(_))), "an update takes no time");
}

#[tokio::test]
async fn a_wait_of_any_length_is_one() {
    for seconds in [json!(1e300), json!(-1), json!(1e18)] {
        let waits = resource(json!({ "wait_secs": seconds }));
        let looked = Native.act(&ctx(&waits, None), Kind::Create).await.unwrap();
        assert!(matches!(looked, Outcome::Later { after, .. } if after == Duration::from_secs(3600)), "{looked:?}");
    }
}

#[tokio::test]
async fn what_is_told_to_fail_fails() {
    let fails = resource(json!({"fail": true}));
    let failed = Native.act(&ctx(&fails, None), Kind::Create).await.unwrap_err();
    assert_eq!(failed, Error::Permanent("Test Resource failed t".to_owned()));
    assert!(matches!(Native.check(&ctx(&fails, None)).await, Err(Error::Gone(_))));
    let artifact = copied(&fails).await;
    assert!(!artifact.protected && artifact.made_by().is_empty(), "{artifact:?}");
}

#[tokio::test]
async fn a_copy_is_inline_and_twice_the_same() {
    let one = resource(json!({"value": "one"}));
    let artifact = copied(&one).await;
    assert!(artifact.inline && artifact.protected && artifact.entry.is_none());
    assert!(artifact.made_by().is_empty(), "nothing outside has to be removed");
    let again = copied(&one).await;
    assert_eq!((&again.data, &again.digest), (&artifact.data, &artifact.digest));
    // As it comes back from the store or the manifest.
    let read: Artifact = serde_json::from_slice(&serde_json::to_vec(&artifact).unwrap()).unwrap();
    assert_eq!(State::kept(&read).unwrap(), State::of(&one));
    assert!(matches!(Native.copy(&ctx(&one, None), Cut::None).await, Err(Error::Gone(_))), "the stack has it no more");
}

#[tokio::test]
async fn a_preview_compares_with_what_there_is_now() {
    let one = resource(json!({"value": "one"}));
    let artifact = copied(&one).await;
    assert_eq!(previewed(&one, Some(&one), &artifact).await.unchanged, 1);
    assert_eq!(previewed(&one, None, &artifact).await.creates, 1);
    let two = resource(json!({"value": "two"}));
    let preview = previewed(&one, Some(&two), &artifact).await;
    assert_eq!((preview.overwrites, preview.sample), (1, vec!["overwrite t".to_owned()]));
}

#[tokio::test]
async fn a_damaged_value_is_not_restored() {
    let one = resource(json!({"value": "one"}));
    let mut artifact = copied(&one).await;
    artifact.data["state"] = artifact.data["state"].as_str().unwrap().replace("one", "two").into();
    assert!(matches!(Native.restore(&ctx(&one, Some(&one)), &artifact).await, Err(Error::Unreadable(_))));
    artifact.data = json!("nonsense");
    assert!(matches!(Native.preview(&ctx(&one, Some(&one)), &artifact).await, Err(Error::Unreadable(_))));
}
