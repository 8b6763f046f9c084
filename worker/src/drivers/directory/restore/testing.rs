//! A second directory as the archive of the first, for tests of a restore without a vault; with faults on demand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use stacksnap_common::ids::{OperationId, StepId};
use stacksnap_common::types::Preview;

use super::sink::Sink;
use super::{Order, open, plan, run};
use crate::driver::Error;
use crate::drivers::directory::AllowedRoot;
use crate::drivers::directory::archive::{Archive, EntryIter, Recorded, WriteError};
use crate::drivers::directory::control::{Control, Use};
use crate::drivers::directory::exclude::Excludes;
use crate::drivers::directory::policy::{Place, Tree};
use crate::drivers::directory::properties::Owners;
use crate::drivers::directory::rights::Rights;
use crate::drivers::directory::walk::{Walk, What, open_file};
use crate::drivers::directory::{beneath, sample};
use crate::progress::Progress;
use crate::vault::tree::{Entry, Kind};

pub(crate) struct Copy {
    tree: Tree,
    nothing: Excludes,
    /// Reading fails when so many files were written.
    pub(crate) fail_after: u64,
    written: AtomicU64,
}

impl Copy {
    pub(crate) fn of(dir: &Path) -> Self {
        let tree = Tree::new(sample::open(dir).unwrap()).unwrap();
        Self { tree, nothing: Excludes::new([]).unwrap(), fail_after: u64::MAX, written: AtomicU64::new(0) }
    }

    fn open(&self, entry: &Entry) -> File {
        let (name, above) = entry.path.split_last().unwrap();
        let dir = beneath::open_dir(self.tree.fd(), above).unwrap();
        open_file(dir.as_fd(), name).unwrap().unwrap().0.into()
    }
}

impl Archive for Copy {
    type Content = ();

    fn entries(&self) -> Result<EntryIter<'_, ()>, Error> {
        let mut walk = Walk::new(&self.tree, &self.nothing).unwrap();
        Ok(Box::new(std::iter::from_fn(move || {
            let found = walk.step().unwrap()?;
            let What::Entry(stat) = &found.what else { panic!("{found:?}") };
            let mut entry = walk.complete(&found.path, stat).unwrap();
            if entry.kind == Kind::Directory {
                entry.meta.size = 0;
            }
            Some(Ok((entry, ())))
        })))
    }

    fn room(&self, entry: &Entry, (): &()) -> u64 {
        entry.meta.size.min(200_000)
    }

    fn same(&self, entry: &Entry, (): &(), file: &File) -> Result<bool, Error> {
        let ours = self.open(entry);
        let (mut a, mut b) = (vec![0; 65536], vec![0; 65536]);
        let mut at = 0;
        while at < entry.meta.size {
            let length = usize::try_from((entry.meta.size - at).min(65536)).unwrap();
            ours.read_exact_at(&mut a[..length], at).unwrap();
            file.read_exact_at(&mut b[..length], at).unwrap();
            if a[..length] != b[..length] {
                return Ok(false);
            }
            at += length as u64;
        }
        Ok(true)
    }

    fn write(
        &self,
        files: &[(Recorded<()>, Sink)],
        go_on: &(dyn Fn() -> Result<(), Error> + Sync),
    ) -> Result<(), WriteError> {
        for ((entry, ()), sink) in files {
            go_on().map_err(WriteError::Read)?;
            if self.written.fetch_add(1, Ordering::Relaxed) >= self.fail_after {
                return Err(WriteError::Read(Error::transient("a pack of the vault can't be read")));
            }
            let ours = self.open(entry);
            let mut buffer = vec![0; 100_000];
            let mut at = 0;
            while at < entry.meta.size {
                let length = ours.read_at(&mut buffer, at).unwrap();
                assert_ne!(length, 0, "the archive is not changed");
                sink.write_at(&buffer[..length], at)
                    .map_err(|error| WriteError::Write { path: entry.path.clone(), error })?;
                at += length as u64;
            }
        }
        Ok(())
    }
}

/// A directory `was` that stands for the snapshot, and one `now` that is restored from it, and a control directory.
pub(crate) struct Bench {
    pub(crate) base: PathBuf,
    _temporary: Option<tempfile::TempDir>,
    pub(crate) step: StepId,
    pub(crate) exclude: Vec<String>,
    pub(crate) fence: u64,
    pub(crate) fail_after: u64,
    pub(crate) progress: Progress,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        for name in ["was", "now"] {
            std::fs::create_dir(temporary.path().join(name)).unwrap();
        }
        let step = StepId { operation: OperationId::next(), stage: 1, index: 0 };
        let bench = Self::at(temporary.path(), step);
        Self { _temporary: Some(temporary), ..bench }
    }

    /// One that is there, for a second process.
    pub(crate) fn at(base: &Path, step: StepId) -> Self {
        let base = base.canonicalize().unwrap();
        Self {
            base,
            _temporary: None,
            step,
            exclude: Vec::new(),
            fence: 1,
            fail_after: u64::MAX,
            progress: Progress::default(),
        }
    }

    /// Both directories the same, of all kinds of entries.
    pub(crate) fn filled(seed: u64, entries: u64) -> Self {
        let bench = Self::new();
        let size = sample::Size { entries, largest: 200_000 };
        sample::build(&bench.was(), seed, size).unwrap();
        sample::build(&bench.now(), seed, size).unwrap();
        bench
    }

    pub(crate) fn was(&self) -> PathBuf {
        self.base.join("was")
    }

    pub(crate) fn now(&self) -> PathBuf {
        self.base.join("now")
    }

    pub(crate) fn place(&self) -> Place {
        let base = self.base.clone();
        let roots = [AllowedRoot { project: None, path: base.clone() }];
        Place::find(&roots, &"p".parse().unwrap(), base.join("now").to_str().unwrap()).unwrap()
    }

    pub(crate) fn control(&self) -> Control {
        Control::new(self.base.join("control"))
    }

    pub(crate) fn restore(&self) -> Result<Preview, Error> {
        self.restore_if(&|| Ok(()))
    }

    pub(crate) fn restore_if(&self, go_on: &(dyn Fn() -> Result<(), Error> + Sync)) -> Result<Preview, Error> {
        // A process that another test has just forked may have it until it executes its program.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let _lock = loop {
            match self.control().lock(&self.place(), Use::Restore).unwrap() {
                Some(lock) => break lock,
                None => assert!(std::time::Instant::now() < deadline, "the directory is locked"),
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        self.ordered(go_on, run)
    }

    pub(crate) fn plan(&self) -> Preview {
        let tree = open(&self.place()).unwrap();
        self.ordered(&|| Ok(()), |order| plan(order, tree.as_ref(), &mut |_| Ok(())).unwrap().preview())
    }

    fn ordered<T>(&self, go_on: &(dyn Fn() -> Result<(), Error> + Sync), act: impl FnOnce(&Order<'_, Copy>) -> T) -> T {
        let mut archive = Copy::of(&self.was());
        archive.fail_after = self.fail_after;
        let place = self.place();
        act(&Order {
            archive: &archive,
            exclude: &Excludes::new(self.exclude.iter().map(String::as_str)).unwrap(),
            left_out: &HashSet::new(),
            owners: Owners::Restore,
            rights: &Rights::of_this_process(),
            step: self.step,
            fence: self.fence,
            progress: &self.progress,
            go_on,
            restores: &self.control().restores(&place),
            place: &place,
        })
    }

    /// What differs between the two directories.
    pub(crate) fn differences(&self) -> Vec<String> {
        let was = sample::manifest(&self.was()).unwrap();
        sample::compare(&was, &self.now()).unwrap().iter().map(ToString::to_string).collect()
    }

    /// Whether a temporary name of a restore is in the restored tree.
    pub(crate) fn has_temporary(&self) -> bool {
        let tree = self.place().open().unwrap();
        let nothing = Excludes::new([]).unwrap();
        let mut walk = Walk::new(&tree, &nothing).unwrap();
        while let Some(found) = walk.step().unwrap() {
            if matches!(found.what, What::Temporary) {
                return true;
            }
        }
        false
    }
}
