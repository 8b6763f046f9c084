//! `gold`: the whole life of a stack with two volumes, a random string and test resources: made, snapshot, changed twice,
//! restored twice, its snapshot deleted.

use serde_json::{Value, json};

use crate::conformance::stage::Stage;

const GOLD: (&str, &str) = ("gold", "c3aefb78-bea1-4714-8fe0-99e17bb64d3a");
const PATH: &str = "/stacks/gold/c3aefb78-bea1-4714-8fe0-99e17bb64d3a";
const SNAPSHOT: &str = "bde76ba1-11a3-4e41-a2f8-817e882d461c";

pub async fn play(stage: &mut Stage<'_>) {
    stage.replay(&["001", "002", "004", "005"]).await;
    stage.settle(GOLD.0, GOLD.1).await;
    stage
        .replay(&["007", "008", "010", "011", "013", "014", "016", "017", "019", "020", "022", "023", "025", "026"])
        .await;

    stage.replay(&["028", "029", "031", "032", "034", "035", "037"]).await;
    stage.settle(GOLD.0, GOLD.1).await;
    stage.replay(&["038", "040", "041", "043", "044"]).await;

    let template = stage.value("016", "");
    update(stage, &template).await;
    stage.replay(&["046", "047"]).await;
    let mut changed = template;
    let resources = changed["resources"].as_object_mut().unwrap();
    resources.remove("vol_b");
    resources.insert("t3".to_owned(), json!({"type": "OS::Heat::TestResource", "properties": {"value": "extra"}}));
    update(stage, &changed).await;
    stage.replay(&["049"]).await;

    stage.replay(&["050", "052", "053", "055"]).await;
    stage.settle(GOLD.0, GOLD.1).await;
    stage.replay(&["056", "058", "059", "061", "062"]).await;
    stage.change("POST", &format!("{PATH}/snapshots/{SNAPSHOT}/restore"), Value::Null).await;
    stage.settle(GOLD.0, GOLD.1).await;
    stage.replay(&["064", "065"]).await;
    stage.until_gone(&format!("{PATH}/snapshots/{SNAPSHOT}")).await;
    stage.replay(&["067", "068", "070", "071"]).await;
}

/// Another template, another label, and no tags.
async fn update(stage: &mut Stage<'_>, template: &Value) {
    stage.change("PUT", PATH, json!({"template": template, "parameters": {"label": "two"}, "timeout_mins": 60})).await;
    stage.settle(GOLD.0, GOLD.1).await;
}
