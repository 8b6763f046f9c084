//! What there is in the fake Manila.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::wire::Wire;
use super::faults::{Ends, Faults};

/// How long things take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delays {
    pub share: Duration,
    pub snapshot: Duration,
    pub revert: Duration,
    /// To extend and to shrink.
    pub size: Duration,
    pub rule: Duration,
    pub delete: Duration,
}

/// How much of each there may be in a project.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    pub shares: usize,
    pub gigabytes: u64,
    pub snapshots: usize,
    pub snapshot_gigabytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { shares: 1000, gigabytes: 10_000, snapshots: 1000, snapshot_gigabytes: 10_000 }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) shares: BTreeMap<String, Share>,
    pub(super) snapshots: BTreeMap<String, Snapshot>,
    pub(super) messages: Vec<Message>,
    pub(super) delays: Delays,
    pub(super) quota: Quota,
    pub(super) held: bool,
    pub(super) newest: (u32, u32),
    pub(super) faults: Faults,
    pub(super) wire: Wire,
    made: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            shares: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            messages: Vec::new(),
            delays: Delays::default(),
            quota: Quota::default(),
            held: false,
            newest: (2, 99),
            faults: Faults::default(),
            wire: Wire::default(),
            made: 0,
        }
    }
}

/// What a share's backend can, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Can {
    pub snapshot: bool,
    /// Make a share from a snapshot.
    pub create: bool,
    pub revert: bool,
}

#[derive(Debug, Clone)]
pub struct Share {
    pub id: String,
    pub project: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: String,
    /// GiB.
    pub size: u64,
    pub proto: String,
    /// Its type's id.
    pub kind: String,
    pub network: Option<String>,
    pub public: bool,
    pub metadata: BTreeMap<String, String>,
    pub can: Can,
    pub rules: Vec<Rule>,
    /// `migration_in_progress`, …
    pub task: Option<String>,
    pub soft_deleted: bool,
    pub created: String,
    /// What it was made from.
    pub snapshot: Option<String>,
    pub content: Vec<u8>,
    pub(super) due: Option<(Instant, Next)>,
}

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub id: String,
    pub project: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: String,
    pub share: String,
    pub size: u64,
    pub proto: String,
    pub metadata: BTreeMap<String, String>,
    pub created: String,
    pub content: Vec<u8>,
    pub(super) due: Option<(Instant, Next)>,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    /// `ip`, `user`, …
    pub kind: String,
    pub to: String,
    pub level: String,
    pub state: String,
    /// A lock hides whom it lets in.
    pub hidden: bool,
    pub created: String,
    pub(super) due: Option<(Instant, Next)>,
}

/// What Manila tells its users about a share.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) share: String,
    pub(super) text: String,
    pub(super) created: String,
}

/// What becomes of something that takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It is there.
    Made,
    Failed,
    Deleted,
    /// It stays as `error_deleting`.
    NotDeleted,
    /// The share is as its snapshot.
    Reverted {
        snapshot: String,
        well: bool,
    },
    /// The share is of this size; it can't be, and is in this state.
    Sized(u64),
    NotSized(&'static str),
}

impl Rule {
    pub fn words(&self) -> String {
        format!("{} {} {}", self.kind, self.to, self.level)
    }
}

impl State {
    pub(super) fn id(&mut self) -> String {
        self.made += 1;
        format!("{:08x}-0000-4000-8000-{:012x}", 0x5ba2_0000_u32, self.made)
    }

    /// To the second, as Manila's database keeps it.
    pub(super) fn now() -> String {
        #[expect(clippy::disallowed_methods, reason = "this is the cloud's own clock")]
        let now = Timestamp::now();
        now.strftime("%Y-%m-%dT%H:%M:%S.000000").to_string()
    }

    /// Something that has just begun: when it is over, and how. `well`: what it is then if nothing was told to fail.
    pub(super) fn due(&mut self, after: Duration, kind: Ends, well: Next, badly: Next) -> Option<(Instant, Next)> {
        let next = if self.faults.ends(kind) { badly } else { well };
        Some((Instant::now() + after, next))
    }

    /// One that is there, and not by a request.
    pub(super) fn put_share(&mut self, project: &str, content: &[u8]) -> String {
        let id = self.id();
        let share = Share {
            id: id.clone(),
            project: project.to_owned(),
            name: None,
            description: None,
            status: "available".to_owned(),
            size: 1,
            proto: "NFS".to_owned(),
            kind: "6c3a9a4e-0000-4000-8000-000000000001".to_owned(),
            network: None,
            public: false,
            metadata: BTreeMap::new(),
            can: Can { snapshot: true, create: true, revert: true },
            rules: Vec::new(),
            task: None,
            soft_deleted: false,
            created: Self::now(),
            snapshot: None,
            content: content.to_vec(),
            due: None,
        };
        self.shares.insert(id.clone(), share);
        id
    }

    pub(super) fn put_snapshot(&mut self, share: &str, name: &str) -> String {
        let (id, share) = (self.id(), self.shares[share].clone());
        let snapshot = Snapshot {
            id: id.clone(),
            project: share.project,
            name: Some(name.to_owned()),
            description: None,
            status: "available".to_owned(),
            share: share.id,
            size: share.size,
            proto: share.proto,
            metadata: BTreeMap::new(),
            created: Self::now(),
            content: share.content,
            due: None,
        };
        self.snapshots.insert(id.clone(), snapshot);
        id
    }

    pub(super) fn put_rule(&mut self, share: &str, kind: &str, to: &str, level: &str) -> String {
        let id = self.id();
        let [kind, to, level] = [kind, to, level].map(str::to_owned);
        let created = Self::now();
        let rule =
            Rule { id: id.clone(), kind, to, level, state: "active".to_owned(), hidden: false, created, due: None };
        self.shares.get_mut(share).unwrap().rules.push(rule);
        id
    }

    pub(super) fn lose_share(&mut self, share: &str) {
        self.shares.remove(share);
        self.snapshots.retain(|_, snapshot| snapshot.share != share);
    }
}
