//! A stack of many volumes: Cinder works on all of them at the same time, whatever this service does at a time itself.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Cloud;
use crate::support::app::App;

const VOLUMES: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_volumes_are_backed_up_at_the_same_time() {
    let cloud = Cloud::start().await;
    let resources: Map<_, _> = (0..VOLUMES)
        .map(|number| {
            let volume = cloud.volume(&format!("{number}"));
            (format!("v{number}"), json!({"type": "OS::Cinder::Volume", "external_id": volume}))
        })
        .collect();
    // With fewer slots and a smaller window than that.
    let app = App::embedded_with(&format!("slots = 2\n{}", cloud.config(""))).await;
    let stack = app.stack_of("s", Value::Object(resources)).await;
    cloud.cinder.hold();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.until("all are creating", async |_| {
        cloud.cinder.backups().iter().filter(|backup| backup.status == "creating").count() == VOLUMES
    })
    .await;
    cloud.cinder.release();
    app.completes(&operation).await;
    assert_eq!(cloud.cinder.backups().len(), VOLUMES);
}
