//! `byname`: what a snapshot may be called by in a path, and what not.

use super::template;
use crate::conformance::stage::Stage;

pub async fn play(stage: &mut Stage<'_>) {
    let byname = ("byname", "d1240131-4026-4534-89ee-1e5e77078ced");
    stage.stack(byname.0, byname.1, template(2)).await;
    stage.snapshot(byname, Some("08207ff7-5fb1-4bad-8656-778982624706"), "n").await;
    stage.replay(&["101", "103", "104", "106", "107", "109", "110", "112", "113", "115"]).await;
    stage.settle(byname.0, byname.1).await;
    stage.replay(&["116"]).await;
}
