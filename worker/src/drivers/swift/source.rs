//! The container as the vault reads it: a tree of its objects, and of the objects elsewhere that its large ones are made of.
//!
//! ```text
//! /                       the container's own headers
//! o/GROUP/NAME            its objects; of a manifest, the manifest
//! s/ROUND/CONTAINER/GROUP/NAME   segments in other containers; a further round: segments of these
//! ```
//!
//! Objects are asked for ahead of the walk, a few at a time, but for those that the listing shows as the last copy had
//! them. What was opened for an entry is kept until the vault asks for it, a little later; it does not ask for what it
//! has.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use stacksnap_openstack::swift::{Container, Listed};

use super::ahead::Ahead;
use super::call::Calls;
use super::fetch::{self, Fetched};
use super::kept::{self, Facts, Own};
use super::list::List;
use super::names;
use super::previous::Previous;
use super::wanted::{Finds, Wanted};
use crate::driver::Error;
use crate::vault::Tree;
use crate::vault::tree::{Entry, TreeSource};

/// Objects that are asked for at the same time.
const AHEAD: usize = 8;
/// Objects that are kept open until the vault asks for them.
const OPEN: usize = 64;
/// How deep large objects may be made of large objects in other containers.
const ROUNDS: usize = 10;

pub(super) const OBJECTS: &[u8] = b"o";
pub(super) const SEGMENTS: &[u8] = b"s";
pub(super) const OWN: &str = "container";
pub(super) const WANTED: &str = "wanted";

pub(super) struct Source {
    calls: Calls,
    container: String,
    own: Container,
    before: Option<Tree>,
    opened: Mutex<VecDeque<(Vec<Vec<u8>>, Fetched)>>,
    fault: Arc<Mutex<Option<Error>>>,
}

impl Source {
    /// `before`: the tree of the last copy.
    pub(super) fn new(calls: &Calls, container: &str, own: Container, before: Option<Tree>) -> Self {
        let calls = calls.clone();
        let fault = Arc::default();
        Self { calls, container: container.to_owned(), own, before, opened: Mutex::default(), fault }
    }

    /// The first error, which the vault only passes on as text.
    pub(super) fn fault(&self) -> Option<Error> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, error: Error) -> io::Error {
        let text = error.to_string();
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::other(text)
    }

    fn keep(&self, path: &[Vec<u8>], fetched: Fetched) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push_back((path.to_vec(), fetched));
        if opened.len() > OPEN {
            opened.pop_front();
        }
    }

    /// What was opened for an entry, else the same version again.
    fn fetched(&self, entry: &Entry) -> Result<(String, Fetched), Error> {
        let container = match entry.path.get(2) {
            Some(container) if entry.path[0] == SEGMENTS => names::decode(container),
            _ => Some(self.container.clone()),
        };
        let facts = Facts::from_entry(entry);
        let (Some(container), Some(facts)) = (container, facts) else {
            return Err(Error::permanent("an entry of the copy is no object's"));
        };
        let kept = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            let at = opened.iter().position(|(path, _)| *path == entry.path);
            at.and_then(|at| opened.remove(at)).map(|(_, fetched)| fetched)
        };
        if let Some(kept) = kept {
            return Ok((container, kept));
        }
        let etag = (!facts.comes_late()).then_some(facts.etag.as_str());
        let again = self.calls.block(fetch::fetch(&self.calls, &container, &facts.name, etag))?;
        match again {
            Some(again) if again.facts == facts => Ok((container, again)),
            _ => Err(Error::transient(format!("object {:?} was replaced while the container was copied", facts.name))),
        }
    }
}

impl TreeSource for Source {
    fn entries(&self) -> Box<dyn Iterator<Item = io::Result<Entry>> + Send + '_> {
        let mut walk = Walk::new(self);
        let mut ended = false;
        Box::new(std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next = self.calls.ctx.go_on().and_then(|()| walk.step());
            ended = !matches!(next, Ok(Some(_)));
            next.map_err(|error| self.fail(error)).transpose()
        }))
    }

    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send>> {
        let (container, fetched) = self.fetched(entry).map_err(|error| self.fail(error))?;
        let fault = Arc::clone(&self.fault);
        Ok(Box::new(Told { reader: fetched.reader(&self.calls, &container), fault }))
    }

    fn size(&self) -> Option<(u64, u64)> {
        Some((self.own.bytes, self.own.objects))
    }
}

/// A reader whose error is noted where the driver finds it.
struct Told {
    reader: fetch::Reader,
    fault: Arc<Mutex<Option<Error>>>,
}

impl Read for Told {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).inspect_err(|error| {
            if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.clone());
            }
        })
    }
}

/// An object on its way: what the copy before had, or what was asked for.
enum Met {
    Same(Box<Facts>),
    Fetched(Box<Fetched>),
    Gone,
}

struct Walk<'a> {
    source: &'a Source,
    previous: Previous,
    finds: Finds,
    ready: VecDeque<Entry>,
    /// Sections of the round in hand that are still to come.
    sections: VecDeque<(String, Wanted)>,
    rounds: usize,
    section: Option<Section>,
}

/// One container, or what is wanted of it.
struct Section {
    path: Vec<Vec<u8>>,
    container: String,
    wanted: Option<Wanted>,
    list: List,
    ahead: Ahead<(Vec<u8>, String, Met)>,
    /// Of the object that was listed last, and of the one that was given last.
    listed: Vec<u8>,
    given: Vec<u8>,
}

impl Section {
    fn new(calls: &Calls, path: Vec<Vec<u8>>, container: &str, wanted: Option<Wanted>) -> Self {
        let list = List::new(calls, container, wanted.as_ref().map_or("", Wanted::under));
        let ahead = Ahead::new(calls, AHEAD);
        let (listed, given) = (names::FIRST_GROUP.to_vec(), Vec::new());
        Self { path, container: container.to_owned(), wanted, list, ahead, listed, given }
    }

    /// Asks for the next objects.
    fn fill(&mut self, calls: &Calls, previous: &mut Previous) -> Result<(), Error> {
        while !self.ahead.is_full() {
            let Some(listed) = self.list.next()? else { return Ok(()) };
            if self.wanted.as_ref().is_some_and(|wanted| !wanted.has(&listed.name)) {
                continue;
            }
            if names::begins_group(&listed.name) {
                self.listed = names::group(&listed.name);
            }
            let before = previous.find(&self.path, &names::encode(&listed.name));
            let (group, calls, container) = (self.listed.clone(), calls.clone(), self.container.clone());
            self.ahead.push(async move {
                let met = meet(&calls, &container, &listed, before).await?;
                Ok((group, listed.name, met))
            });
        }
        Ok(())
    }
}

async fn meet(calls: &Calls, container: &str, listed: &Listed, before: Option<Facts>) -> Result<Met, Error> {
    // Where the segments of a static large object are is known from its manifest alone.
    if let Some(before) = before.filter(|before| !before.is_slo() && before.is_listed(listed)) {
        return Ok(Met::Same(Box::new(before)));
    }
    Ok(match fetch::fetch(calls, container, &listed.name, None).await? {
        Some(fetched) => Met::Fetched(Box::new(fetched)),
        None => Met::Gone,
    })
}

impl<'a> Walk<'a> {
    fn new(source: &'a Source) -> Self {
        let (previous, finds) = (Previous::new(source.before.clone()), Finds::new(&source.container));
        let (ready, sections) = (VecDeque::new(), VecDeque::new());
        Self { source, previous, finds, ready, sections, rounds: 0, section: None }
    }

    fn step(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            let Some(section) = &mut self.section else {
                self.begin()?;
                continue;
            };
            section.fill(&self.source.calls, &mut self.previous)?;
            match section.ahead.next()? {
                Some((group, name, met)) => self.place(group, &name, met)?,
                None if self.next_section()? => {}
                None => return Ok(None),
            }
        }
    }

    /// The container itself.
    fn begin(&mut self) -> Result<(), Error> {
        let Source { calls, container, own, .. } = self.source;
        self.ready.push_back(kept::directory(Vec::new(), Some((OWN, &Own::from(&own.headers))))?);
        let path = vec![OBJECTS.to_vec()];
        self.ready.push_back(kept::directory::<()>(path.clone(), None)?);
        self.section = Some(Section::new(calls, path, container, None));
        Ok(())
    }

    fn place(&mut self, group: Vec<u8>, name: &str, met: Met) -> Result<(), Error> {
        let Some(section) = &mut self.section else { return Ok(()) };
        let mut path = section.path.clone();
        path.push(group.clone());
        let (facts, fetched) = match met {
            // Deleted since it was listed.
            Met::Gone => return Ok(()),
            Met::Same(facts) => (*facts, None),
            Met::Fetched(fetched) => (fetched.facts.clone(), Some(fetched)),
        };
        if section.given != group {
            section.given = group;
            self.ready.push_back(kept::directory::<()>(path.clone(), None)?);
        }
        path.push(names::encode(name));
        self.finds.meet(&facts, fetched.as_ref().map_or(&[], |fetched| &fetched.segments))?;
        if let Some(fetched) = fetched {
            self.source.keep(&path, *fetched);
        }
        self.ready.push_back(facts.entry(path));
        Ok(())
    }

    /// Whether there is one more.
    fn next_section(&mut self) -> Result<bool, Error> {
        if self.sections.is_empty() {
            let found: BTreeMap<_, _> = self.finds.take();
            if found.is_empty() {
                return Ok(false);
            }
            if self.rounds == ROUNDS {
                return Err(Error::permanent(format!("large objects are made of large objects, {ROUNDS} deep")));
            }
            if self.rounds == 0 {
                self.ready.push_back(kept::directory::<()>(vec![SEGMENTS.to_vec()], None)?);
            }
            self.ready.push_back(kept::directory::<()>(vec![SEGMENTS.to_vec(), self.round()], None)?);
            self.sections = found.into_iter().collect();
            self.rounds += 1;
        }
        let Some((container, wanted)) = self.sections.pop_front() else { return Ok(false) };
        let path = vec![SEGMENTS.to_vec(), (self.rounds - 1).to_string().into_bytes(), names::encode(&container)];
        self.ready.push_back(kept::directory(path.clone(), Some((WANTED, &wanted)))?);
        self.section = Some(Section::new(&self.source.calls, path, &container, Some(wanted)));
        Ok(true)
    }

    /// One digit, so that they sort.
    fn round(&self) -> Vec<u8> {
        self.rounds.to_string().into_bytes()
    }
}
