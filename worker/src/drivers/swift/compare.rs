//! What was kept beside what is there now: both in the order of their names, so that one look ahead of each is all that
//! is held.
//!
//! An object that the listing shows with the etag and the time that it was kept with is the same one. Any other is looked
//! at: what it is decides, not when it was written.

use std::collections::BTreeSet;

use stacksnap_openstack::swift::Listed;

use super::ahead::Ahead;
use super::call::Calls;
use super::kept::{self, Facts};
use super::list::List;
use super::names;
use super::source::{OBJECTS, SEGMENTS, WANTED};
use super::wanted::Wanted;
use crate::driver::Error;
use crate::vault::{Blobs, Tree};

/// Objects that are looked at at the same time.
const AHEAD: usize = 16;

/// What has to be done about one object so that it is as it was kept.
#[derive(Debug, Clone)]
pub(super) enum Doing {
    Make(Kept),
    Replace(Kept),
    /// Its metadata only: the names of what differs.
    Adjust(Kept, Vec<String>),
    Remove,
    Nothing,
    /// The listing shows it, and it is not there: deleted a moment ago, or its time is over.
    Absent,
    /// It was to be removed by Swift itself before now, and is not made again.
    Expired,
}

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) facts: Facts,
    pub(super) content: Blobs,
}

#[derive(Debug, Clone)]
pub(super) struct Compared {
    /// Another one for a segment.
    pub(super) container: String,
    pub(super) name: String,
    pub(super) doing: Doing,
}

/// Which of all objects are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Those that were kept and stand for themselves.
    First,
    /// Those that were kept and need others to be there: static large objects, links.
    Late,
    /// Those that were not kept.
    Others,
}

impl Which {
    fn takes(self, facts: Option<&Facts>) -> bool {
        match (self, facts) {
            (Self::All, _) | (Self::Others, None) => true,
            (Self::First, Some(facts)) => !facts.comes_late(),
            (Self::Late, Some(facts)) => facts.comes_late(),
            _ => false,
        }
    }
}

/// Tells `visit` of every object of the container `main` and of the segments elsewhere. Blocks.
pub(super) fn compare(
    calls: &Calls,
    tree: &Tree,
    main: &str,
    which: Which,
    visit: &mut dyn FnMut(Compared) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut run = Run { calls, which, section: None, ahead: Ahead::new(calls, AHEAD), visit };
    for found in tree.entries() {
        calls.ctx.go_on()?;
        let found = found?;
        let path = &found.entry.path;
        match path.as_slice() {
            [top] if top == OBJECTS => run.begin(main, "", None)?,
            [top, _, container] if top == SEGMENTS => {
                let wanted: Option<Wanted> = kept::of_directory(&found.entry, WANTED);
                let (Some(container), Some(wanted)) = (names::decode(container), wanted) else {
                    return Err(Error::Unreadable("what was kept of segments can't be understood".to_owned()));
                };
                let under = wanted.under().to_owned();
                run.begin(&container, &under, Some(wanted))?;
            }
            _ => {}
        }
        if let Some(content) = found.content {
            let facts = Facts::from_entry(&found.entry);
            let facts = facts.ok_or_else(|| Error::Unreadable("what was kept is no object".to_owned()))?;
            run.kept(Kept { facts, content })?;
        }
    }
    run.end()
}

/// The containers of segments that were kept.
pub(super) fn others(calls: &Calls, tree: &Tree) -> Result<BTreeSet<String>, Error> {
    let mut others = BTreeSet::new();
    for found in tree.entries() {
        calls.ctx.go_on()?;
        if let [top, _, container] = found?.entry.path.as_slice()
            && top == SEGMENTS
        {
            others.extend(names::decode(container));
        }
    }
    Ok(others)
}

struct Run<'a> {
    calls: &'a Calls,
    which: Which,
    section: Option<Section>,
    ahead: Ahead<Compared>,
    visit: &'a mut dyn FnMut(Compared) -> Result<(), Error>,
}

struct Section {
    container: String,
    list: List,
    /// Of other containers only what is below one of its prefixes is the large object's.
    wanted: Option<Wanted>,
}

impl Run<'_> {
    fn begin(&mut self, container: &str, under: &str, wanted: Option<Wanted>) -> Result<(), Error> {
        self.drain()?;
        let list = List::new(self.calls, container, under);
        self.section = Some(Section { container: container.to_owned(), list, wanted });
        Ok(())
    }

    fn kept(&mut self, kept: Kept) -> Result<(), Error> {
        let listed = loop {
            let Some(section) = &mut self.section else { return Ok(()) };
            match section.list.peek()? {
                Some(next) if next.name.as_bytes() < kept.facts.name.as_bytes() => {
                    let Some(other) = section.list.next()? else { break None };
                    self.other(other)?;
                }
                Some(next) if next.name == kept.facts.name => break section.list.next()?,
                _ => break None,
            }
        };
        if !self.which.takes(Some(&kept.facts)) {
            return Ok(());
        }
        let now = self.calls.ctx.now.0 / 1000;
        let name = kept.facts.name.clone();
        match listed {
            _ if kept.facts.has_expired(now) => self.found(name, Doing::Expired),
            None => self.found(name, Doing::Make(kept)),
            Some(listed) if kept.facts.is_listed(&listed) => self.found(name, Doing::Nothing),
            Some(listed) => self.look(listed, kept),
        }
    }

    /// One that was not kept.
    fn other(&mut self, listed: Listed) -> Result<(), Error> {
        let Some(section) = &self.section else { return Ok(()) };
        let ours = section.wanted.as_ref().is_none_or(|wanted| wanted.has_prefix_of(&listed.name));
        if !ours || !self.which.takes(None) {
            return Ok(());
        }
        // A listing may show what is not there any more.
        let (calls, container, name) = (self.calls.clone(), section.container.clone(), listed.name);
        self.push(async move {
            let there = calls.find(calls.swift.object(&container, &name)).await?.is_some();
            let doing = if there { Doing::Remove } else { Doing::Absent };
            Ok(Compared { container, name, doing })
        })
    }

    fn found(&mut self, name: String, doing: Doing) -> Result<(), Error> {
        let container = self.section.as_ref().map(|section| section.container.clone()).unwrap_or_default();
        self.push(async move { Ok(Compared { container, name, doing }) })
    }

    fn look(&mut self, listed: Listed, kept: Kept) -> Result<(), Error> {
        let container = self.section.as_ref().map(|section| section.container.clone()).unwrap_or_default();
        let calls = self.calls.clone();
        self.push(async move {
            let doing = look(&calls, &container, kept).await?;
            Ok(Compared { container, name: listed.name, doing })
        })
    }

    fn push(&mut self, call: impl Future<Output = Result<Compared, Error>> + Send + 'static) -> Result<(), Error> {
        if self.ahead.is_full()
            && let Some(compared) = self.ahead.next()?
        {
            (self.visit)(compared)?;
        }
        self.ahead.push(call);
        Ok(())
    }

    /// What is left of the section in hand was not kept.
    fn drain(&mut self) -> Result<(), Error> {
        while let Some(section) = &mut self.section
            && let Some(other) = section.list.next()?
        {
            self.calls.ctx.go_on()?;
            self.other(other)?;
        }
        self.section = None;
        Ok(())
    }

    fn end(mut self) -> Result<(), Error> {
        self.drain()?;
        while let Some(compared) = self.ahead.next()? {
            (self.visit)(compared)?;
        }
        Ok(())
    }
}

async fn look(calls: &Calls, container: &str, kept: Kept) -> Result<Doing, Error> {
    let name = &kept.facts.name;
    let Some(object) = calls.find(calls.swift.object(container, name)).await? else { return Ok(Doing::Make(kept)) };
    let mut now = Facts::of(name, &object);
    if object.is_slo() && kept.facts.is_slo() {
        let whole = calls.find(calls.swift.large_object(container, name)).await?;
        let Some(whole) = whole else { return Ok(Doing::Make(kept)) };
        let same = Some(&whole.etag) == kept.facts.slo_etag.as_ref() && whole.headers == kept.facts.headers;
        return Ok(if same { Doing::Nothing } else { Doing::Replace(kept) });
    }
    if now.is_link() {
        now.bytes = 0;
    }
    let same = now.etag == kept.facts.etag && now.bytes == kept.facts.bytes && object.is_slo() == kept.facts.is_slo();
    let differ = kept.facts.headers.differ(&now.headers);
    Ok(match (same, differ.is_empty()) {
        (true, true) => Doing::Nothing,
        (true, false) if kept.facts.is_plain() && now.is_plain() => Doing::Adjust(kept, differ),
        _ => Doing::Replace(kept),
    })
}
