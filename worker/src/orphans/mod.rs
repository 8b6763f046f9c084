//! What is in the world, carries our mark, and has no record in the store.
//!
//! ```text
//! each finder lists what carries our mark → what is young is left out → what a record knows is left out → the orphans
//! ```
//!
//! The world is listed before any record is read, so what is made meanwhile is not in the list; and what a running
//! operation may have made is never an orphan. Only what is named is removed, and each of it is looked at once more
//! before.
//!
//! **Whose mark**: every stacksnap on the same cloud marks in the same way. What another installation, with another store,
//! has made is an orphan to this one: that is why nothing is removed but by its id.
//!
//! - `known.rs`: whether a record knows of a thing.
//! - One file a finder: `vault.rs` (entries of vaults, containers of Swift among them), `trusts.rs` (Keystone);
//!   `../drivers/cinder/orphans.rs` (backups, snapshots, volumes), `../drivers/nova/orphans.rs` (images),
//!   `../drivers/manila/orphans.rs` (snapshots, shares), `../drivers/trove/orphans.rs` (backups, half-made instances),
//!   `../drivers/remote/orphans.rs` (snapshots of other services' stacks), `../drivers/postgresql/orphans.rs` (databases). A
//!   driver of another service brings its own.

pub mod known;
pub mod trusts;
pub mod vault;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use stacksnap_common::store::{self, Millis, Store};

pub use known::Mark;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Vault(#[from] crate::vault::Error),
    /// In words, with the service that said it.
    #[error("{0}")]
    Service(String),
}

/// One kind of place where things of ours are.
#[async_trait]
pub trait Finder: Send + Sync {
    /// In words: `Cinder`.
    fn place(&self) -> &'static str;

    /// Everything there that carries our mark, whether a record knows of it or not.
    async fn list(&self) -> Result<Listed, Error>;

    /// Takes one away and waits until it is gone. One that is gone is no error.
    async fn remove(&self, thing: &Thing) -> Result<(), Error>;
}

/// What a finder found.
#[derive(Debug, Default)]
pub struct Listed {
    pub things: Vec<(Thing, Mark)>,
    /// Where it could not look, in words.
    pub notes: Vec<String>,
}

/// Something in the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// `backup`, `snapshot`, `volume`, `image`, `stack snapshot`, `database`, `trust`, `entry`, …
    pub what: String,
    /// By which its place knows it.
    pub id: String,
    /// Ours, as its mark says; where it says none, the one that it lies in. Empty: nobody knows.
    pub project: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// None: its place does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Millis>,
    pub bytes: u64,
}

/// Which orphans are removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remove {
    Nothing,
    /// Those of these ids.
    Named(Vec<String>),
}

/// What is told of a search, one after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    Orphan {
        #[serde(flatten)]
        thing: Thing,
        removed: bool,
        /// Why it could not be removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
    },
    Note(String),
}

/// Tells of each orphan, and removes those that `remove` names. What is younger than `older_than` is left out. The
/// number of what went wrong is returned: a place that could not be searched, one that could not be removed, an id that
/// is none of an orphan.
pub async fn search(
    store: &Store,
    finders: &[Box<dyn Finder>],
    older_than: Duration,
    remove: &Remove,
    mut tell: impl FnMut(Told),
) -> Result<u32, Error> {
    let named: &[String] = match remove {
        Remove::Nothing => &[],
        Remove::Named(ids) => ids,
    };
    let (mut wrong, mut seen) = (0, Vec::new());
    for finder in finders {
        let listed = match finder.list().await {
            Ok(listed) => listed,
            Err(error) => {
                wrong += 1;
                tell(Told::Note(format!("{} could not be searched: {error}", finder.place())));
                continue;
            }
        };
        listed.notes.into_iter().for_each(|note| tell(Told::Note(note)));
        let before = Millis(store.now().await?.0.saturating_sub(older_than.as_millis() as u64));
        let mut records = known::Known { store, rested_on: BTreeMap::new() };
        for (thing, mark) in listed.things {
            if thing.made_at.is_some_and(|made| made > before) || records.know(&mark).await? {
                continue;
            }
            let (mut removed, mut failed) = (false, None);
            if named.contains(&thing.id) {
                seen.push(thing.id.clone());
                match finder.remove(&thing).await {
                    Ok(()) => removed = true,
                    Err(error) => (failed, wrong) = (Some(error.to_string()), wrong + 1),
                }
            }
            tell(Told::Orphan { thing, removed, failed });
        }
    }
    for id in named.iter().filter(|id| !seen.contains(id)) {
        wrong += 1;
        tell(Told::Note(format!("{id} is no orphan: nothing was done about it")));
    }
    Ok(wrong)
}

/// UTC, as OpenStack's services write it: `2026-11-26T04:00:00.000000`.
pub(crate) fn moment(text: &str) -> Option<Millis> {
    let at: DateTime = text.trim_end_matches('Z').parse().ok()?;
    let at = at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    u64::try_from(at).ok().map(Millis)
}

pub(crate) fn service(error: stacksnap_openstack::Error) -> Error {
    Error::Service(error.to_string())
}
