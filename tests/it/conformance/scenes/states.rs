//! Stacks in every state that a snapshot can find them in: updating, deleting, deleted, suspended, failed, empty, about to
//! fail, full.

use serde_json::{Value, json};

use super::template;
use crate::conformance::stage::Stage;
use crate::conformance::subject::Mode;

pub async fn play(stage: &mut Stage<'_>) {
    updating_then_deleted(stage).await;
    suspended(stage).await;
    create_failed(stage).await;
    empty(stage).await;
    failing(stage).await;
    full(stage).await;
}

async fn updating_then_deleted(stage: &mut Stage<'_>) {
    let slow = ("slow", "02d1b4c0-c67f-4db2-85a9-02b80136f191");
    stage.stack(slow.0, slow.1, template(1)).await;
    stage.snapshot(slow, Some("5a067425-e4d2-4737-aef9-cecf699bb694"), "first").await;
    stage.snapshot(slow, Some("69df689c-3b67-4723-b7ee-31c7d7411477"), "second").await;
    let changed = json!({"heat_template_version": "2018-08-31", "resources": {"t0": {"type": "OS::Heat::TestResource", "properties": {"value": "changed"}}}});
    let path = format!("/stacks/{}/{}", slow.0, slow.1);
    stage.change("PUT", &path, json!({"template": changed, "timeout_mins": 60})).await;
    stage.replay(&["352", "353"]).await;
    stage.settle(slow.0, slow.1).await;
    stage.replay(&["355", "356", "358", "359"]).await;
    stage.settle(slow.0, slow.1).await;
    stage.replay(&["361", "362", "364", "365", "367", "368"]).await;
}

async fn suspended(stage: &mut Stage<'_>) {
    let susp = ("susp", "4736d371-12b9-4ef7-85a8-c17cc3bdd638");
    stage.stack(susp.0, susp.1, template(1)).await;
    stage.change("POST", &format!("/stacks/{}/{}/actions", susp.0, susp.1), json!({"suspend": null})).await;
    stage.settle(susp.0, susp.1).await;
    stage.replay(&["370"]).await;
    stage.settle(susp.0, susp.1).await;
    stage.replay(&["371", "373", "374"]).await;
    stage.settle(susp.0, susp.1).await;
}

async fn create_failed(stage: &mut Stage<'_>) {
    let cfail = ("cfail", "a6c537d6-0fbc-45d4-8197-93318269995b");
    stage.stack(cfail.0, cfail.1, stage.value("377", "/data/template")).await;
    stage.replay(&["376", "377"]).await;
    stage.settle(cfail.0, cfail.1).await;
    stage.replay(&["379"]).await;
}

async fn empty(stage: &mut Stage<'_>) {
    let gone = ("gone", "4e180516-0836-4b56-939e-a8dd2443bd7c");
    stage.stack(gone.0, gone.1, stage.value("380", "/data/template")).await;
    stage.replay(&["380"]).await;
    stage.settle(gone.0, gone.1).await;
}

async fn failing(stage: &mut Stage<'_>) {
    let faily = ("faily", "caac7e0a-53d8-4cf8-8c70-4c35fcce5f70");
    stage.stack(faily.0, faily.1, stage.value("382", "/data/template")).await;
    if stage.mode() == Mode::Heat {
        return;
    }
    stage.lose("v").await;
    stage.replay(&["382"]).await;
    stage.settle(faily.0, faily.1).await;
    stage.replay(&["383", "385", "386", "388", "389"]).await;
    stage.snapshot(faily, Some("6eaa0cd1-da89-4042-a585-0bf147b5cb38"), "again").await;
    stage.replay(&["391", "392"]).await;
    stage.until_gone(&format!("/stacks/{}/{}/snapshots/0339fdea-160a-488b-a894-f21e6b8525d4", faily.0, faily.1)).await;
}

async fn full(stage: &mut Stage<'_>) {
    let many = ("many", "18e1d651-33a0-4574-9739-cef66b5633c9");
    let list: Value = stage.value("397", "/snapshots");
    stage.stack(many.0, many.1, list[0]["data"]["template"].clone()).await;
    for n in 0..list.as_array().unwrap().len() {
        stage.snapshot(many, None, &format!("s{n}")).await;
    }
    stage.replay(&["394", "395", "397"]).await;
}
