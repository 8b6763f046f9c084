//! `aban`, exported and abandoned, and `adopted`, made of what that left; deleted, and made once more of a snapshot's data.

use super::template;
use crate::conformance::stage::Stage;
use crate::conformance::subject::Mode;

pub async fn play(stage: &mut Stage<'_>) {
    let aban = ("aban", "9fbf3d5a-b768-432c-bd5c-494e5ab1360d");
    stage.stack(aban.0, aban.1, template(2)).await;
    stage.snapshot(aban, Some("80ae4872-0b26-4cff-9962-5328f47c41f8"), "k").await;
    stage.replay(&["451", "452", "454"]).await;
    stage.settle(aban.0, aban.1).await;

    let adopted = ("adopted", "98e7e3a2-c259-4c24-846a-0902eb5c339c");
    stage.replay(&["455"]).await;
    // A stack that is adopted again where it was abandoned is the same stack; where it is Heat's it is another.
    if stage.mode() == Mode::Registry {
        stage.alias(adopted.1, aban.1);
    }
    stage.settle(adopted.0, adopted.1).await;
    stage.replay(&["457", "458"]).await;
    stage.settle(adopted.0, adopted.1).await;
    stage.replay(&["460"]).await;
    stage.settle(adopted.0, adopted.1).await;
    stage.replay(&["461"]).await;
    stage.settle(adopted.0, "9da0369b-cfdc-47e3-8e69-295d80ea8a9d").await;
}
