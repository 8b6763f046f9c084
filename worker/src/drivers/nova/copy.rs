//! Cut and copy.
//!
//! A cut begins the image and waits until the disk was read. The copy waits until the image is whole, which may take long,
//! and until Nova takes orders for the server again. An image that comes to nothing after the cut is made again, of a later
//! moment; the artifact says so.

use serde::{Deserialize, Serialize};
use serde_json::json;
use stacksnap_common::types::{Artifact, Consistency};

use super::image::{AnImage, Until};
use super::kept::{Facts, Kept};
use super::{Settings, state};
use crate::driver::{Cut, Error, Outcome};
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::wait::later;

/// A cut, and the checkpoint of cut and copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Imaging {
    facts: Facts,
    #[serde(default)]
    making: Making,
}

pub(super) async fn cut(settings: &Settings, calls: &Calls<'_>) -> Result<Outcome<Cut>, Error> {
    let Imaging { facts, making } = match Imaging::deserialize(&calls.ctx.checkpoint) {
        Ok(imaging) => imaging,
        Err(_) => {
            let server = state::target(calls).await?;
            if server.image.is_none() {
                return Ok(Outcome::Done(Cut::None));
            }
            Imaging { facts: Facts::of(&server, calls.ctx), making: Making::default() }
        }
    };
    let thing = image(calls, &facts, Until::Read);
    match make(&settings.patience, calls.ctx, &thing, making).await? {
        Step::There(found) => {
            let making = Making::of(found.id);
            Ok(Outcome::Done(Cut::Durable(json!(Imaging { facts, making }))))
        }
        Step::Later(after, making) => later(after, &Imaging { facts, making }),
    }
}

pub(super) async fn copy(settings: &Settings, calls: &Calls<'_>, cut: Cut) -> Result<Outcome<Artifact>, Error> {
    let ctx = calls.ctx;
    let Cut::Durable(cut) = cut else {
        let server = state::target(calls).await?;
        if server.image.is_some() {
            return Err(Error::permanent(format!(
                "server {} booted from a volume when the snapshot began and has a disk of its own now",
                server.id
            )));
        }
        let why = state::boots_from_volume(calls, &server).await?;
        return Ok(Outcome::Done(ctx.unprotected(why)));
    };
    let from = if ctx.checkpoint.is_null() { &cut } else { &ctx.checkpoint };
    let Imaging { facts, making } = Imaging::deserialize(from)
        .map_err(|error| Error::permanent(format!("what was noted of the cut can't be read: {error}")))?;
    let thing = image(calls, &facts, Until::Whole);
    let again = making.was_again();
    let found = match make(&settings.patience, calls.ctx, &thing, making).await? {
        Step::There(found) => found,
        Step::Later(after, making) => return later(after, &Imaging { facts, making }),
    };
    let image = calls.ask(calls.glance.image(&found.id)).await?;
    let kept = Kept::new(facts, &image);
    ctx.progress.expect(kept.size, 0);
    ctx.progress.add_bytes(kept.size);
    let mut warnings = Vec::new();
    let mut consistency = Consistency::Crash;
    if again {
        consistency = Consistency::None;
        warnings.push("its first image came to nothing: this one was made after the snapshot's moment".to_owned());
    }
    Ok(Outcome::Done(kept.artifact(ctx, consistency, warnings)?))
}

fn image<'a>(calls: &'a Calls<'_>, facts: &'a Facts, until: Until) -> AnImage<'a> {
    AnImage { ctx: calls.ctx, nova: &calls.nova, glance: &calls.glance, server: &facts.server, until }
}
