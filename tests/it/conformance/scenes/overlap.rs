//! `pre`, four times: something else is asked for while a snapshot is being made.

use serde_json::{Value, json};

use crate::conformance::stage::Stage;

pub async fn play(stage: &mut Stage<'_>) {
    let update =
        begin(stage, "b5077252-7dfd-4d8d-a566-3a4079bb7352", "6e47bc03-6a2b-431f-95b1-1fe332cd9eb4", "update").await;
    let template = stage.value("016", "");
    stage.ask("PUT", &update, json!({"template": template, "parameters": {"label": "x"}, "timeout_mins": 60})).await;
    stage.replay(&["502", "503"]).await;
    stage.settle("pre", "b5077252-7dfd-4d8d-a566-3a4079bb7352").await;
    stage.replay(&["505"]).await;
    end(stage, "b5077252-7dfd-4d8d-a566-3a4079bb7352").await;

    let suspend = "afb19e34-cd70-4206-bdb7-a6c6e520029b";
    begin(stage, suspend, "cecd3653-c4f8-4cf0-a372-12b8fa527ecc", "action-suspend").await;
    stage.replay(&["506", "508"]).await;
    stage.settle("pre", suspend).await;
    stage.replay(&["509"]).await;
    end(stage, suspend).await;

    let delete = "21484849-4c73-45b9-aa45-63f24639fed5";
    begin(stage, delete, "814c838e-8d45-473f-998f-6a79c21c5827", "delete").await;
    stage.replay(&["511", "512"]).await;
    stage.settle("pre", delete).await;
    stage.replay(&["514", "515"]).await;

    let id = "9b02df1c-5568-4d24-9067-2f04352d8bd6";
    let abandon = begin(stage, id, "87eb6209-5c29-4ec8-ba3e-97baf5b13689", "abandon").await;
    stage.ask("DELETE", &format!("{abandon}/abandon"), Value::Null).await;
    stage.replay(&["517", "518"]).await;
    stage.settle("pre", id).await;
    stage.replay(&["520"]).await;
}

/// A stack, and a snapshot of it that has begun; returns the stack's path.
async fn begin(stage: &mut Stage<'_>, stack: &str, snapshot: &str, name: &str) -> String {
    let template = stage.value("016", "");
    stage.stack("pre", stack, template).await;
    let path = format!("/stacks/pre/{stack}");
    let made = stage.change("POST", &format!("{path}/snapshots"), json!({"name": name})).await;
    stage.bind(snapshot, &made["id"]);
    path
}

async fn end(stage: &mut Stage<'_>, stack: &str) {
    stage.change("DELETE", &format!("/stacks/pre/{stack}"), Value::Null).await;
    stage.settle("pre", stack).await;
}
