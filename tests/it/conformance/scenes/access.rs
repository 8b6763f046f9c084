//! `authz`: without a token, with another project's, as a reader, as an administrator.

use super::template;
use crate::conformance::stage::Stage;
use crate::conformance::subject::Who;

pub async fn play(stage: &mut Stage<'_>) {
    let authz = ("authz", "dfdb3212-5a05-45c7-b3ab-99b027555eed");
    stage.stack(authz.0, authz.1, template(1)).await;
    stage.snapshot(authz, Some("039d05f2-5364-41ad-b2a8-f31940f47e61"), "n").await;
    stage.replay(&["151", "152", "154", "155", "157", "158"]).await;
    stage.replay_as(Who::Alt, &["160", "161", "163"]).await;
    stage.replay_as(Who::Admin, &["164"]).await;
    stage.replay(&["166"]).await;
    stage.replay_as(Who::Reader, &["167", "169", "170", "172", "173"]).await;
}
