//! A container is made what it was. Called again, at any point, it does what is still to be done.
//!
//! 1. The container is there, or is made; what would keep old versions or refuse bytes (versioning, quotas) is taken off.
//! 2. Objects that stand for themselves are written, segments elsewhere too; then what needs others to be there: static
//!    large objects, links.
//! 3. What was not kept is removed.
//! 4. The container's headers are what they were: metadata, access lists, versioning and quotas.
//!
//! An object that is what it was is not touched. Each write is whole or not at all, for Swift compares it with its etag.

use std::collections::BTreeSet;

use stacksnap_common::types::Preview;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::swift::{Container, Headers};

use super::ahead::Ahead;
use super::call::{self, Calls};
use super::compare::{self, Compared, Doing, Which, compare};
use super::kept::{self, Own};
use super::source::OWN;
use super::summary::Summary;
use super::write::{write, wrote};
use crate::driver::Error;
use crate::vault::Tree;

/// Objects that are written at the same time.
const AT_ONCE: usize = 4;
/// Taken off before objects are written.
const IN_THE_WAY: [&str; 5] = [
    "x-history-location",
    "x-versions-location",
    "x-versions-enabled",
    "x-container-meta-quota-bytes",
    "x-container-meta-quota-count",
];
const POLICY: &str = "x-storage-policy";
const ENABLED: &str = "x-versions-enabled";

/// A container as it was kept.
pub(super) struct Recorded<'a> {
    calls: &'a Calls,
    tree: &'a Tree,
    name: &'a str,
    headers: Headers,
}

impl<'a> Recorded<'a> {
    /// Blocks, as all here does.
    pub(super) fn open(calls: &'a Calls, tree: &'a Tree, name: &'a str) -> Result<Self, Error> {
        let root = tree.entries().next().transpose()?;
        let own: Option<Own> = root.and_then(|root| kept::of_directory(&root.entry, OWN));
        let own =
            own.ok_or_else(|| Error::Unreadable("what was kept of the container can't be understood".to_owned()))?;
        Ok(Self { calls, tree, name, headers: own.into() })
    }

    pub(super) fn preview(&self) -> Result<Preview, Error> {
        let mut summary = Summary::new(self.name);
        compare(self.calls, self.tree, self.name, Which::All, &mut |compared| {
            summary.add(&compared);
            Ok(())
        })?;
        self.tell_of_containers(&mut summary)?;
        Ok(summary.preview())
    }

    fn now(&self) -> Result<Option<Container>, Error> {
        self.calls.block(self.calls.find(self.calls.swift.container(self.name)))
    }

    fn tell_of_containers(&self, summary: &mut Summary) -> Result<(), Error> {
        let name = self.name;
        match self.now()? {
            None => summary.own(true, format!("create container {name}")),
            Some(now) => {
                let differ = self.differ(&now.headers);
                if !differ.is_empty() {
                    summary.own(false, format!("set headers of container {name} ({})", differ.join(", ")));
                }
                self.tell_of_policy(&now, summary);
            }
        }
        for other in self.missing()? {
            summary.own(true, format!("create container {other}, for segments"));
        }
        Ok(())
    }

    fn tell_of_policy(&self, now: &Container, summary: &mut Summary) {
        let (then, now) = (self.headers.get(POLICY), now.headers.get(POLICY));
        if let (Some(then), Some(now)) = (then, now)
            && then != now
        {
            summary.note(format!("differs: the storage policy is {now}, and was {then}; not changed: Swift can't"));
        }
    }

    /// Containers of segments that are not there.
    fn missing(&self) -> Result<BTreeSet<String>, Error> {
        let mut missing = BTreeSet::new();
        for other in compare::others(self.calls, self.tree)? {
            if self.calls.block(self.calls.find(self.calls.swift.container(&other)))?.is_none() {
                missing.insert(other);
            }
        }
        Ok(missing)
    }

    pub(super) fn restore(&self) -> Result<Preview, Error> {
        let mut summary = Summary::new(self.name);
        let progress = &self.calls.ctx.progress;
        progress.expect(self.tree.bytes, self.tree.files);
        // What is told is what was found before anything was done.
        self.tell_of_containers(&mut summary)?;
        self.make_ready()?;
        self.pass(Which::First, &mut summary)?;
        self.late(&mut summary)?;
        self.pass(Which::Others, &mut summary)?;
        self.finish()?;
        Ok(summary.preview())
    }

    fn make_ready(&self) -> Result<(), Error> {
        let (calls, swift) = (self.calls, &self.calls.swift);
        let mut headers = Headers::default();
        match self.now()? {
            None => {
                headers
                    .0
                    .extend(self.headers.0.get_key_value(POLICY).map(|(name, policy)| (name.clone(), policy.clone())));
                calls.block(calls.ask(swift.make_container(self.name, &headers)))?;
            }
            Some(now) => {
                for name in IN_THE_WAY.iter().filter(|name| now.headers.get(name).is_some_and(is_on)) {
                    headers.set(name, if *name == ENABLED { "false" } else { "" });
                }
                if !headers.0.is_empty() {
                    calls.block(calls.ask(swift.set_container(self.name, &headers)))?;
                }
            }
        }
        for other in self.missing()? {
            calls.block(calls.ask(swift.make_container(&other, &Headers::default())))?;
        }
        Ok(())
    }

    /// Several at the same time.
    fn pass(&self, which: Which, summary: &mut Summary) -> Result<(), Error> {
        let mut writes: Ahead<()> = Ahead::new(self.calls, AT_ONCE);
        compare(self.calls, self.tree, self.name, which, &mut |compared| {
            summary.add(&compared);
            self.pass_over(&compared);
            if matches!(compared.doing, Doing::Nothing | Doing::Absent | Doing::Expired) {
                return Ok(());
            }
            if writes.is_full() {
                writes.next()?;
            }
            let (calls, tree) = (self.calls.clone(), self.tree.clone());
            writes.push(async move { wrote(&calls, &tree, &compared).await });
            Ok(())
        })?;
        while writes.next()?.is_some() {}
        Ok(())
    }

    /// What needs others, which may be such ones too: those that are refused are tried again, as long as that helps.
    fn late(&self, summary: &mut Summary) -> Result<(), Error> {
        let mut left: Vec<Compared> = Vec::new();
        let mut refused = None;
        let mut once = |compared: Compared, left: &mut Vec<Compared>| -> Result<(), Error> {
            match self.calls.block(write(self.calls, self.tree, &compared))? {
                Ok(()) => {}
                Err(error) if matches!(error.status(), Some(StatusCode::BAD_REQUEST | StatusCode::CONFLICT)) => {
                    refused = Some(error);
                    left.push(compared);
                }
                Err(error) => return Err(call::error(error)),
            }
            Ok(())
        };
        compare(self.calls, self.tree, self.name, Which::Late, &mut |compared| {
            summary.add(&compared);
            self.pass_over(&compared);
            once(compared, &mut left)
        })?;
        while !left.is_empty() {
            let before = left.len();
            for compared in std::mem::take(&mut left) {
                once(compared, &mut left)?;
            }
            if left.len() == before {
                let names: Vec<_> = left.iter().take(10).map(|compared| compared.name.as_str()).collect();
                let why = refused.map_or_else(String::new, |error| format!(": {error}"));
                let names = names.join(", ");
                return Err(Error::permanent(format!("{before} large objects can't be made again ({names}){why}")));
            }
        }
        Ok(())
    }

    /// What is there already counts as done.
    fn pass_over(&self, compared: &Compared) {
        if let Doing::Nothing = compared.doing {
            self.calls.ctx.progress.add_files(1);
        }
    }

    fn finish(&self) -> Result<(), Error> {
        let calls = self.calls;
        let now = self.now()?.ok_or_else(|| Error::transient("the container was deleted while it was restored"))?;
        let mut headers = Headers::default();
        for name in self.differ(&now.headers) {
            match self.headers.0.get(&name) {
                Some(value) => drop(headers.0.insert(name, value.clone())),
                None => headers.set(&name, if name == ENABLED { "false" } else { "" }),
            }
        }
        if headers.0.is_empty() {
            return Ok(());
        }
        calls.block(calls.ask(calls.swift.set_container(self.name, &headers)))
    }

    /// Names of headers that are not what they were and can be. Versioning that is off is as good as none.
    fn differ(&self, now: &Headers) -> Vec<String> {
        let mut differ = self.headers.differ(now);
        let off = |headers: &Headers| !headers.get(ENABLED).is_some_and(is_on);
        differ.retain(|name| name != POLICY && !(name == ENABLED && off(&self.headers) && off(now)));
        differ
    }
}

fn is_on(value: &str) -> bool {
    !value.is_empty() && !value.eq_ignore_ascii_case("false")
}
