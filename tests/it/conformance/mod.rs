//! Heat's conformance suite: what was asked of a real Heat 27 is asked again here, and status, headers and body are
//! compared field by field.
//!
//! `tests/conformance/transcripts/` holds the recording, `tests/conformance/deviations.toml` what is meant to be
//! different and why. The suite fails on any other difference, on an entry of that list that is no longer true, and on a
//! transcript that is neither replayed nor left out for a reason.
//!
//! - `scenes/`: the recording's story, a file for each of its stacks: what is replayed, and between that what was asked
//!   and not recorded. All scenes share a server, in the order of the recording, as its lists of stacks show all of them.
//! - `stage.rs`: what a scene is played on. `subject.rs`: the server, as far as a scene knows it: `registry.rs` and
//!   `front.rs` (in front of a Heat that is a fake, so that what it is measured by is the recording too), both with the
//!   same `support/service.rs` in them.
//! - `wire.rs` sends, `compare.rs` compares, `binding.rs` knows which id stands for which, `deviations.rs` judges.
//!
//! It is part of `it` and needs no binary of its own: its server runs in this process, so that it can be held between a
//! request and its effects.

mod binding;
mod compare;
mod deviations;
mod front;
mod registry;
mod scenes;
mod stage;
mod subject;
mod transcript;
mod wire;

use deviations::Deviations;
use front::Front;
use registry::Registry;
use stage::Stage;
use subject::Subject;

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_answers_as_heat_did() {
    let subject = Registry::start().await;
    conforms(&subject).await;
    subject.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_front_of_a_heat_it_answers_as_that_did() {
    let subject = Front::start().await;
    conforms(&subject).await;
    subject.stop().await;
}

async fn conforms(subject: &dyn Subject) {
    let transcripts = transcript::all();
    let mut stage = Stage::new(subject, &transcripts);
    scenes::play(&mut stage).await;
    let all = transcripts.keys().cloned().collect();
    let mut complaints = stage.failed;
    complaints.extend(Deviations::read().complaints(subject.mode(), &stage.outcome, &all));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}
