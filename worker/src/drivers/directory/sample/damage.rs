//! Damaging a tree in every way that a restore must undo.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::Numbers;
use crate::drivers::directory::beneath;
use crate::drivers::directory::inspect::by_proc;

/// How many entries were damaged, by the way of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage(pub BTreeMap<&'static str, u64>);

impl Damage {
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Damages about every third entry of the tree in `dir`. Content is also changed with size and time kept, and links are
/// planted that lead out of the tree. Nothing outside of `dir` is touched.
pub fn damage(dir: &Path, seed: u64) -> io::Result<Damage> {
    let root = super::open(dir)?;
    let mut done = Damage::default();
    let mut numbers = Numbers::new(seed);
    let root_user = rustix::process::geteuid().is_root();
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let fd = match beneath::open_dir(root.as_fd(), &path) {
            Err(Errno::ACCESS) => continue,
            other => other?,
        };
        let mut names = beneath::Names::read(fd.as_fd())?;
        let mut previous: Option<Vec<u8>> = None;
        while let Some(name) = names.take() {
            let mut damager = Damager { dir: fd.as_fd(), name, numbers: &mut numbers, root_user };
            if let Some(way) = permitted(damager.one(previous.as_deref()))?.flatten() {
                *done.0.entry(way).or_default() += 1;
            }
            match beneath::stat(fd.as_fd(), name) {
                Ok(stat) if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory => {
                    waiting.push(super::super::names::child(&path, name));
                }
                Ok(_) => previous = Some(name.to_vec()),
                Err(_) => {}
            }
        }
        if numbers.once_in(3) && permitted(extra(fd.as_fd(), &mut numbers))?.is_some() {
            *done.0.entry("added").or_default() += 1;
        }
    }
    Ok(done)
}

/// `None` for what this process may not do, which it then leaves.
fn permitted<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

/// New entries, some of which a careless restore would follow or miss.
fn extra(dir: BorrowedFd<'_>, numbers: &mut Numbers) -> io::Result<()> {
    let name = format!("extra-{}", numbers.next());
    match numbers.below(4) {
        0 => rustix::fs::symlinkat("/", dir, name)?,
        1 => rustix::fs::mknodat(dir, name, FileType::Fifo, Mode::RUSR, 0)?,
        2 => {
            let inner = make_dir(dir, name.as_bytes())?;
            write(inner.as_fd(), b"inner", b"not there before")?;
            rustix::fs::mkdirat(&inner, "deeper", Mode::RWXU)?;
        }
        _ => write(dir, name.as_bytes(), &numbers.bytes(500))?,
    }
    Ok(())
}

struct Damager<'a> {
    dir: BorrowedFd<'a>,
    name: &'a [u8],
    numbers: &'a mut Numbers,
    root_user: bool,
}

impl Damager<'_> {
    /// Damages the entry or leaves it; says what was done. `beside` is an entry of the same directory, no directory.
    fn one(&mut self, beside: Option<&[u8]>) -> io::Result<Option<&'static str>> {
        let stat = beneath::stat(self.dir, self.name)?;
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        if !self.numbers.once_in(3) {
            return Ok(None);
        }
        let time = |nsec: u32| Timespec { tv_sec: stat.stx_mtime.tv_sec, tv_nsec: nsec as _ };
        let way = self.numbers.below(14);
        Ok(Some(match (way, kind) {
            (0, _) => {
                self.remove(kind)?;
                "removed"
            }
            (1, _) => {
                self.remove(kind)?;
                rustix::fs::symlinkat("/etc", self.dir, self.name)?;
                "replaced by a link that leads out"
            }
            (2, FileType::Directory) => {
                self.remove(kind)?;
                write(self.dir, self.name, b"a file now")?;
                "directory replaced by a file"
            }
            (2, _) => {
                self.remove(kind)?;
                let inner = make_dir(self.dir, self.name)?;
                write(inner.as_fd(), b"inner", b"x")?;
                "replaced by a directory"
            }
            (3, FileType::RegularFile) if beside.is_some() => {
                self.remove(kind)?;
                let beside = beside.unwrap_or_default();
                rustix::fs::linkat(self.dir, beside, self.dir, self.name, AtFlags::empty())?;
                "made a hard link of another"
            }
            (4, kind) if kind != FileType::Symlink => {
                let mode = Mode::from_bits_retain((u32::from(stat.stx_mode) & 0o7777) ^ 0o021);
                rustix::fs::chmodat(self.dir, self.name, mode, AtFlags::empty())?;
                "mode changed"
            }
            (5, kind) if self.root_user => {
                let owner = (Some(Uid::from_raw(stat.stx_uid ^ 1)), Some(Gid::from_raw(stat.stx_gid ^ 2)));
                rustix::fs::chownat(self.dir, self.name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
                if kind == FileType::Symlink { "owner of a link changed" } else { "owner changed" }
            }
            (6, _) => {
                self.set_time(Timespec { tv_sec: stat.stx_mtime.tv_sec + 1, tv_nsec: 5 })?;
                "time changed"
            }
            (7, FileType::RegularFile | FileType::Directory) => {
                let path = by_proc(self.dir, self.name);
                for attribute in super::super::inspect::xattrs(self.dir, self.name)? {
                    rustix::fs::lremovexattr(path.as_slice(), attribute.0.as_slice())?;
                }
                match rustix::fs::lsetxattr(path.as_slice(), "user.damage", b"x", XattrFlags::empty()) {
                    Ok(()) | Err(Errno::NOTSUP | Errno::ACCESS) => {}
                    Err(errno) => return Err(errno.into()),
                }
                "attributes changed"
            }
            (8..11, FileType::RegularFile) if stat.stx_size > 0 => {
                // The nastiest: size and time as they were.
                self.overwrite(stat.stx_size)?;
                self.set_time(time(stat.stx_mtime.tv_nsec))?;
                "content changed, size and time kept"
            }
            (11, FileType::RegularFile) => {
                if let Some(file) = self.open()? {
                    file.set_len(stat.stx_size / 2)?;
                }
                "cut off"
            }
            (_, FileType::RegularFile) => {
                if let Some(file) = self.open()? {
                    file.write_all_at(b"more", stat.stx_size)?;
                }
                "grown"
            }
            (_, FileType::Symlink) => {
                self.remove(kind)?;
                rustix::fs::symlinkat("elsewhere", self.dir, self.name)?;
                "link changed"
            }
            _ => {
                self.set_time(time(stat.stx_mtime.tv_nsec ^ 1))?;
                "time changed"
            }
        }))
    }

    /// For writing; `None` if this user may not.
    fn open(&self) -> io::Result<Option<File>> {
        match rustix::fs::openat(self.dir, self.name, OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::ACCESS) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn overwrite(&mut self, size: u64) -> io::Result<()> {
        let Some(file) = self.open()? else { return Ok(()) };
        let at = self.numbers.below(size);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[!byte[0]], at)
    }

    fn set_time(&self, time: Timespec) -> io::Result<()> {
        let times = Timestamps { last_access: time, last_modification: time };
        Ok(rustix::fs::utimensat(self.dir, self.name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn remove(&self, kind: FileType) -> io::Result<()> {
        if kind != FileType::Directory {
            return Ok(rustix::fs::unlinkat(self.dir, self.name, AtFlags::empty())?);
        }
        // The standard library removes by descriptors and follows no links.
        let path = by_proc(self.dir, self.name);
        std::fs::remove_dir_all(Path::new(std::ffi::OsStr::new(
            <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&path),
        )))
    }
}

fn make_dir(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<std::os::fd::OwnedFd> {
    rustix::fs::mkdirat(dir, name, Mode::RWXU)?;
    Ok(beneath::open_entry(dir, name, OFlags::RDONLY | OFlags::DIRECTORY)?)
}

fn write(dir: BorrowedFd<'_>, name: &[u8], content: &[u8]) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    File::from(rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?).write_all_at(content, 0)
}
