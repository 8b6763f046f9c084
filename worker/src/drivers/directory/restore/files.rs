//! Making what is missing and replacing what differs, each under a temporary name first.
//!
//! Goes along the list of changes and the archive, which are in the same order. Directories are made at once, so that
//! there is a place for what is in them; files get a temporary name, are filled in batches (which the vault reads in its
//! own order, on several threads) and wait in a group until `commit` puts them in place.

use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::commit::{self, Ready};
use super::place::{Before, put};
use super::record::{List, Record};
use super::sink::Sink;
use super::{GROUP_BYTES, Restore, locked};
use crate::driver::Error;
use crate::drivers::directory::archive::{Archive, Recorded, WriteError};
use crate::drivers::directory::beneath::{self, Cursor};
use crate::drivers::directory::compare::Action;
use crate::drivers::directory::{errors, names};
use crate::vault::tree::{Entry, Kind};

/// Files that are open at one time, well below the usual limit of 1,024 descriptors.
const BATCH_FILES: usize = 256;
/// Bytes after which a batch is written. A group ends with a batch, so it may be larger by this.
const BATCH_BYTES: u64 = 16 * 1024 * 1024;
/// Entries after which a group is committed.
const GROUP_ENTRIES: usize = 8192;

/// Works off the list of changes.
pub(crate) fn run<A: Archive>(restore: &Restore<'_, A>, record: &Mutex<Record>) -> Result<(), Error> {
    // At most one group waits while another is committed: that bounds what is on disk twice.
    let (give, take) = sync_channel(0);
    std::thread::scope(|scope| {
        let committer = scope.spawn(|| {
            let result = commit::run(restore, &take, record);
            // Whoever still gives must not wait for ever.
            drop(take);
            result
        });
        let mut writer = Writer {
            restore,
            cursor: Cursor::new(restore.tree.fd()),
            batch: Vec::new(),
            batch_bytes: 0,
            group: Vec::new(),
            group_bytes: 0,
        };
        let written = writer.all(record, &give);
        if written.is_err() {
            writer.abandon();
        }
        drop(writer);
        drop(give);
        let committed =
            committer.join().unwrap_or_else(|_| Err(Error::transient("the thread that renames files died")));
        // Where both failed, the writer only noticed that nobody takes its groups.
        committed.and(written)
    })
}

/// What is made under a temporary name.
enum Made<C> {
    File { recorded: Recorded<C>, sink: Sink, temporary: Vec<u8> },
    Other(Ready),
}

struct Writer<'a, A: Archive> {
    restore: &'a Restore<'a, A>,
    cursor: Cursor<std::os::fd::BorrowedFd<'a>>,
    batch: Vec<Made<A::Content>>,
    batch_bytes: u64,
    group: Vec<Ready>,
    group_bytes: u64,
}

impl<A: Archive> Writer<'_, A> {
    fn all(&mut self, record: &Mutex<Record>, give: &SyncSender<Vec<Ready>>) -> Result<(), Error> {
        let mut changes = locked(record).read(List::Changes).map_err(|error| errors::control(&error))?;
        let mut next = || changes.next().map_err(|error| errors::control(&error));
        let Some(mut change) = next()? else { return Ok(()) };
        for recorded in self.restore.archive.entries()? {
            let recorded = recorded?;
            if recorded.0.path != change.path {
                continue;
            }
            (self.restore.go_on)()?;
            self.one(recorded, &change.action)?;
            if self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES {
                self.write()?;
            }
            if self.group.len() >= GROUP_ENTRIES || self.group_bytes >= GROUP_BYTES {
                self.give(give)?;
            }
            match next()? {
                Some(another) => change = another,
                None => {
                    self.write()?;
                    return self.give(give);
                }
            }
        }
        Err(Error::permanent(format!("the vault gave {} once and not again", names::show(&change.path))))
    }

    fn give(&mut self, give: &SyncSender<Vec<Ready>>) -> Result<(), Error> {
        self.group_bytes = 0;
        give.send(std::mem::take(&mut self.group)).map_err(|unsent| {
            self.group = unsent.0;
            Error::transient("files could not be put in place")
        })
    }

    /// Makes one entry, or what there is to make before its content is written.
    fn one(&mut self, recorded: Recorded<A::Content>, action: &Action) -> Result<(), Error> {
        let entry = &recorded.0;
        if entry.kind == Kind::Directory {
            // Numbers and attributes of directories come last of all.
            if *action != Action::Adjust {
                self.directory(entry)?;
            }
            self.batch.push(Made::Other(Ready::Done));
            return Ok(());
        }
        if *action == Action::Adjust {
            self.batch.push(Made::Other(Ready::Adjust(Box::new(recorded.0))));
            return Ok(());
        }
        if entry.kind == Kind::File {
            return self.file(recorded);
        }
        let temporary = self.special(entry)?;
        let path = recorded.0.path;
        self.batch.push(Made::Other(Ready::Rename { path, temporary }));
        Ok(())
    }

    fn directory(&mut self, entry: &Entry) -> Result<(), Error> {
        let path = &entry.path;
        let Some((name, above)) = path.split_last() else { return Ok(()) };
        let failed = |errno| errors::entry("make the directory", path, errno);
        let access = self.restore.access;
        let dir = self.cursor.dir(above).map_err(failed)?;
        match access.with(dir, || rustix::fs::mkdirat(dir, name.as_slice(), Mode::RWXU)) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let there = beneath::stat(dir, name).map_err(failed)?;
        if FileType::from_raw_mode(there.stx_mode.into()) == FileType::Directory {
            return Ok(());
        }
        let temporary = self.restore.temporary_name();
        rustix::fs::mkdirat(dir, temporary.as_slice(), Mode::RWXU).map_err(failed)?;
        (self.restore.go_on)()?;
        if put(dir, &temporary, name).map_err(failed)? == Before::Aside {
            let aside = names::child(above, &temporary);
            self.restore.remove_aside(&aside, path)?;
        }
        Ok(())
    }

    fn file(&mut self, recorded: Recorded<A::Content>) -> Result<(), Error> {
        let entry = &recorded.0;
        let (path, size) = (&entry.path, entry.meta.size);
        let Some((_, above)) = path.split_last() else { return Ok(()) };
        let failed = |errno| errors::entry("write", path, errno);
        let temporary = self.restore.temporary_name();
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let access = self.restore.access;
        let dir = self.cursor.dir(above).map_err(failed)?;
        let make = || rustix::fs::openat(dir, temporary.as_slice(), flags, Mode::RUSR | Mode::WUSR);
        let fd = access.with(dir, make).map_err(failed)?;
        let sink = Sink::new(fd.into(), size);
        self.batch_bytes += size;
        self.batch.push(Made::File { recorded, sink, temporary });
        Ok(())
    }

    /// Links, FIFOs, sockets and devices are whole at once.
    fn special(&mut self, entry: &Entry) -> Result<Vec<u8>, Error> {
        let path = &entry.path;
        let temporary = self.restore.temporary_name();
        let Some((_, above)) = path.split_last() else { return Ok(temporary) };
        let failed = |errno| errors::entry("make", path, errno);
        let access = self.restore.access;
        let dir = self.cursor.dir(above).map_err(failed)?;
        let name = temporary.as_slice();
        let mode = Mode::RUSR | Mode::WUSR;
        let make = || match &entry.kind {
            Kind::Symlink(target) => rustix::fs::symlinkat(target.as_slice(), dir, name),
            Kind::Fifo => rustix::fs::mknodat(dir, name, FileType::Fifo, mode, 0),
            Kind::Socket => rustix::fs::mknodat(dir, name, FileType::Socket, mode, 0),
            Kind::CharDevice(number) => rustix::fs::mknodat(dir, name, FileType::CharacterDevice, mode, *number),
            Kind::BlockDevice(number) => rustix::fs::mknodat(dir, name, FileType::BlockDevice, mode, *number),
            Kind::File | Kind::Directory => Err(Errno::INVAL),
        };
        access.with(dir, make).map_err(failed)?;
        let set = beneath::open_entry(dir, name, OFlags::PATH)
            .map_err(|errno| ("open", errno))
            .and_then(|fd| self.restore.setter().set(fd.as_fd(), &entry.meta));
        if let Err((doing, errno)) = set {
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
            return Err(errors::entry(doing, path, errno));
        }
        Ok(temporary)
    }

    /// Fills the files of the batch, sets their numbers, and adds all of it to the group.
    fn write(&mut self) -> Result<(), Error> {
        let mut files = Vec::new();
        let mut order = Vec::with_capacity(self.batch.len());
        for made in self.batch.drain(..) {
            match made {
                Made::File { recorded, sink, temporary } => {
                    order.push(Ready::Rename { path: recorded.0.path.clone(), temporary });
                    files.push((recorded, sink));
                }
                Made::Other(ready) => order.push(ready),
            }
        }
        self.group.extend(order);
        self.group_bytes += std::mem::take(&mut self.batch_bytes);
        if files.is_empty() {
            return Ok(());
        }
        self.restore.archive.write(&files, self.restore.go_on).map_err(|error| match error {
            WriteError::Read(error) => error,
            WriteError::Write { path, error } => errors::io("write", &path, &error),
        })?;
        let setter = self.restore.setter();
        for ((entry, _), sink) in &files {
            sink.finish().map_err(|error| errors::io("write", &entry.path, &error))?;
            setter
                .set(sink.file().as_fd(), &entry.meta)
                .map_err(|(doing, errno)| errors::entry(doing, &entry.path, errno))?;
            self.restore.progress.add_files(1);
        }
        Ok(())
    }

    /// After a failure: removes the temporary names that nobody will commit.
    fn abandon(&mut self) {
        let made = self.batch.drain(..).map(|made| match made {
            Made::File { recorded, temporary, .. } => Ready::Rename { path: recorded.0.path, temporary },
            Made::Other(ready) => ready,
        });
        commit::forget(self.restore, self.group.drain(..).chain(made));
    }
}
