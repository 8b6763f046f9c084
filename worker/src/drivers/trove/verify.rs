//! Whether an artifact is still what it was said to be, as far as Trove tells: it is there, well, of that size, and so is all that
//! it is built on.

use stacksnap_common::types::{Artifact, Verdict};

use super::calls::Calls;
use super::kept::Kept;
use super::restore;
use crate::driver::Error;

pub(super) async fn verify(calls: &Calls<'_>, artifact: &Artifact) -> Result<Verdict, Error> {
    let problems = restore::problems(calls, &Kept::of(artifact)?).await?;
    Ok(Verdict { ok: problems.is_empty(), bytes: 0, problems })
}
