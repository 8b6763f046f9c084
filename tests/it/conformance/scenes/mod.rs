//! The recording's story, in its order.

mod access;
mod adopt;
mod errors;
mod gold;
mod names;
mod overlap;
mod states;

use serde_json::{Value, json};

use super::stage::Stage;

pub async fn play(stage: &mut Stage<'_>) {
    errors::play(stage).await;
    states::play(stage).await;
    adopt::play(stage).await;
    names::play(stage).await;
    access::play(stage).await;
    gold::play(stage).await;
    overlap::play(stage).await;
}

/// A template of so many test resources: `t0` with the value `v0`, and so on.
fn template(count: usize) -> Value {
    let resource =
        |n| (format!("t{n}"), json!({"type": "OS::Heat::TestResource", "properties": {"value": format!("v{n}")}}));
    let resources: serde_json::Map<_, _> = (0..count).map(resource).collect();
    json!({"heat_template_version": "2018-08-31", "resources": resources})
}
