//! The fake cloud answers as the real one does.
//!
//! A scene (`tests/openstack/wire/NAME.json`) is a list of requests to one service. Once it was played to the real service,
//! and what came back is written down beside it (`NAME.answers.json`): statuses, headers, and bodies with everything taken
//! out that differs from run to run (`shape.rs`). Here it is played to the fake one and compared with that; `tests/openstack/run`
//! plays it to the real one and compares with the same, so neither can go away from the other unseen. What the fake does not
//! show at all it need not: each thing that it shows has to be there in the real answer, in the same form; a refusal has to
//! be the same text.
//!
//! After a change of a scene: `tests/openstack/up STATE cinder nova swift`, and with STATE's `env` loaded
//! `WRITE=1 cargo test --workspace --test it -- --ignored wire::` writes the answers anew.

mod clouds;
mod scene;
mod shape;

use clouds::{Fake, Real};
use scene::Scene;

async fn fake_answers_as_written(name: &str) {
    let scene = Scene::read(name);
    let played = scene.play(&Fake::start().await).await;
    let wrong = scene::differences(&scene.answers(), &played, shape::Whole::No);
    assert!(wrong.is_empty(), "{name}: the fake is not as the real one:\n{}", wrong.join("\n"));
}

async fn real_answers_as_written(name: &str) {
    let scene = Scene::read(name);
    let played = scene.play(&Real::from_env()).await;
    if std::env::var_os("WRITE").is_some() {
        return scene.write(&played);
    }
    let wrong = scene::differences(&scene.answers(), &played, shape::Whole::Yes);
    assert!(wrong.is_empty(), "{name}: the real one is not as it was:\n{}", wrong.join("\n"));
}

macro_rules! scenes {
    ($($name:ident),*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn the_fake_one_answers_as_written() {
                super::fake_answers_as_written(stringify!($name)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs a real cloud: tests/openstack/run runs it"]
            async fn the_real_one_answers_as_written() {
                super::real_answers_as_written(stringify!($name)).await;
            }
        }
    )*};
}

scenes!(keystone, cinder, groups, glance, nova, swift);
