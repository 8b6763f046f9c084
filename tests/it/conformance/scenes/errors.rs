//! `err`: what is refused, and what is not: unknown stacks and snapshots, odd bodies, names, methods, `Accept`.

use super::template;
use crate::conformance::stage::Stage;

const ERR: (&str, &str) = ("err", "c3ffebc0-2849-4e0a-912e-2ff0049397d5");
const OTHER: (&str, &str) = ("err2", "9ba707cc-08a0-4e7e-81b5-a15b24c6ab83");

pub async fn play(stage: &mut Stage<'_>) {
    stage.stack(OTHER.0, OTHER.1, template(1)).await;
    stage.stack(ERR.0, ERR.1, template(1)).await;
    stage.snapshot(OTHER, Some("d8000a56-5d59-4666-aa2e-04f4a12a7c41"), "other").await;
    stage.snapshot(ERR, Some("74a5c7d0-37e7-4cd5-9320-2bc7453d7a3a"), "k").await;

    stage.replay(&["202", "203", "205", "206", "208", "209", "211", "212", "214", "215"]).await;
    stage.replay(&["217", "218", "220", "221"]).await;
    for name in ["223", "224", "226", "227", "229", "230", "232", "233", "235", "236", "238", "239", "241"] {
        stage.replay(&[name]).await;
        stage.settle(ERR.0, ERR.1).await;
    }
    for body in ["242", "244", "245", "247", "248", "250", "251", "253", "254", "256", "257"] {
        stage.replay(&[body]).await;
        stage.settle(ERR.0, ERR.1).await;
    }
    stage.replay(&["259", "260", "262", "263", "265", "266", "268", "269", "271", "272", "274", "275", "277"]).await;
    for restore in ["278", "280"] {
        stage.replay(&[restore]).await;
        stage.settle(ERR.0, ERR.1).await;
    }
    stage.replay(&["281", "283", "284", "286", "287", "289"]).await;
}
