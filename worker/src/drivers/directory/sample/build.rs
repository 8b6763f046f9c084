//! Making a tree.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, makedev};

use super::Numbers;
use crate::drivers::directory::inspect::by_proc;

/// How much to make.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// About this many entries, beside a hundred that are always there.
    pub entries: u64,
    /// No file is larger than this, in bytes.
    pub largest: u64,
}

/// Makes a tree in the directory `dir`, which exists and is empty. The same seed and size give the same tree, but for
/// inode numbers and what the process may not make.
pub fn build(dir: &Path, seed: u64, size: Size) -> io::Result<()> {
    let root = super::open(dir)?;
    let mut builder = Builder {
        numbers: Numbers::new(seed),
        size,
        root_user: rustix::process::geteuid().is_root(),
        left: size.entries,
        links: Vec::new(),
    };
    builder.odd_names(root.as_fd())?;
    builder.kinds(root.as_fd())?;
    builder.deep(root.as_fd())?;
    let mut number = 0;
    while builder.left > 0 {
        builder.directory(root.as_fd(), format!("part-{number:03}").as_bytes(), 1)?;
        number += 1;
    }
    builder.finish(root.as_fd(), b".", true)
}

struct Builder {
    numbers: Numbers,
    size: Size,
    root_user: bool,
    left: u64,
    /// Files made lately, for hard links: a directory and a name.
    links: Vec<(OwnedFd, Vec<u8>)>,
}

impl Builder {
    fn file(&mut self, dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?);
        let length = match self.numbers.below(20) {
            0 => 0,
            1 => 1,
            2 => 4096,
            3 => self.numbers.below(self.size.largest + 1),
            _ => self.numbers.below(self.size.largest.min(12_000) + 1),
        };
        let content = self.numbers.bytes(usize::try_from(length).unwrap_or(0));
        if self.numbers.once_in(25) {
            self.holes(&file, &content)?;
        } else {
            file.write_all_at(&content, 0)?;
        }
        drop(file);
        self.finish(dir, name, false)?;
        if self.links.len() < 8 || self.numbers.once_in(40) {
            let at = usize::try_from(self.numbers.below(8)).unwrap_or(0);
            let kept = (dir.try_clone_to_owned()?, name.to_vec());
            if at < self.links.len() { self.links[at] = kept } else { self.links.push(kept) }
        }
        Ok(())
    }

    /// Data with holes before, between and after it.
    fn holes(&mut self, file: &File, content: &[u8]) -> io::Result<()> {
        let gap = 4096 * (1 + self.numbers.below(64));
        let half = content.len() / 2;
        file.write_all_at(&content[..half], gap)?;
        file.write_all_at(&content[half..], gap * 3 + half as u64)?;
        file.set_len(gap * 5 + content.len() as u64 + self.numbers.below(5000))
    }

    /// Owner, mode, attributes and times of what was made; `name` may be `.`.
    fn finish(&mut self, dir: BorrowedFd<'_>, name: &[u8], directory: bool) -> io::Result<()> {
        let path = by_proc(dir, name);
        if self.numbers.once_in(6) {
            for number in 0..=self.numbers.below(3) {
                let length = usize::try_from(self.numbers.below(200)).unwrap_or(0);
                let value = self.numbers.bytes(length);
                set(&path, format!("user.sample-{number}").as_bytes(), &value)?;
            }
        }
        if self.root_user {
            if self.numbers.once_in(3) {
                let (uid, gid) = (self.numbers.below(70_000) as u32, self.numbers.below(70_000) as u32);
                rustix::fs::chownat(dir, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::empty())?;
            }
            if self.numbers.once_in(30) {
                set(&path, b"trusted.sample", b"\0binary\xff")?;
            }
            if !directory && self.numbers.once_in(30) {
                // cap_net_bind_service=ep, version 2 (linux/capability.h).
                set(&path, b"security.capability", &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
            }
        }
        let modes: &[u32] = match (directory, self.root_user) {
            (true, true) => &[0o755, 0o700, 0o1777, 0o2775, 0o555, 0, 0o755],
            (true, false) => &[0o755, 0o700, 0o1777, 0o750],
            (false, true) => &[0o644, 0o600, 0o4755, 0o2755, 0o1644, 0, 0o444, 0o6711, 0o644],
            (false, false) => &[0o644, 0o600, 0o755, 0o444],
        };
        let mode = self.numbers.pick(modes).copied().unwrap_or(0o700);
        rustix::fs::chmodat(dir, name, Mode::from_bits_retain(mode), AtFlags::empty())?;
        if self.numbers.once_in(12) {
            set(&path, b"system.posix_acl_access", &acl(mode, 1234))?;
        }
        if directory && self.numbers.once_in(12) {
            set(&path, b"system.posix_acl_default", &acl(0o750, 4321))?;
        }
        self.times(dir, name)
    }

    fn times(&mut self, dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        let seconds = match self.numbers.below(12) {
            0 => -(self.numbers.below(1_000_000_000) as i64),
            1 => 0,
            2 => 4_200_000_000 + self.numbers.below(1_000_000_000) as i64,
            _ => 1_000_000_000 + self.numbers.below(800_000_000) as i64,
        };
        let time = Timespec { tv_sec: seconds, tv_nsec: self.numbers.below(1_000_000_000) as _ };
        let times = Timestamps { last_access: time, last_modification: time };
        Ok(rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn symlink(&mut self, dir: BorrowedFd<'_>, name: &[u8], target: &[u8]) -> io::Result<()> {
        rustix::fs::symlinkat(target, dir, name)?;
        if self.root_user && self.numbers.once_in(2) {
            let owner = self.numbers.below(70_000) as u32;
            let (uid, gid) = (Uid::from_raw(owner), Gid::from_raw(owner));
            rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            set(&by_proc(dir, name), b"trusted.link", b"of the link itself")?;
        }
        self.times(dir, name)
    }

    fn special(&mut self, dir: BorrowedFd<'_>, name: &[u8], kind: FileType, device: u64) -> io::Result<()> {
        rustix::fs::mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, device)?;
        self.finish_special(dir, name)
    }

    fn finish_special(&mut self, dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        let mode = self.numbers.pick(&[0o600, 0o666, 0o4640]).copied().unwrap_or(0o600);
        rustix::fs::chmodat(dir, name, Mode::from_bits_retain(mode), AtFlags::empty())?;
        self.times(dir, name)
    }

    /// One of everything.
    fn kinds(&mut self, root: BorrowedFd<'_>) -> io::Result<()> {
        let dir = make(root, b"kinds")?;
        let at = dir.as_fd();
        self.special(at, b"fifo", FileType::Fifo, 0)?;
        self.special(at, b"socket", FileType::Socket, 0)?;
        if self.root_user {
            self.special(at, b"char", FileType::CharacterDevice, makedev(1, 3))?;
            self.special(at, b"block", FileType::BlockDevice, makedev(259, 70_000))?;
        }
        for (name, target) in [
            (b"dangling".as_slice(), b"nowhere".as_slice()),
            (b"absolute", b"/etc/passwd"),
            (b"loop", b"loop"),
            (b"up", b"../.."),
            (b"not-text", b"caf\xe9\n"),
            (b"long", &[b'l'; 4000]),
        ] {
            self.symlink(at, name, target)?;
        }
        let holes = File::from(rustix::fs::openat(
            at,
            b"only-a-hole".as_slice(),
            OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )?);
        holes.set_len(5_000_001)?;
        self.finish(at, b"only-a-hole", false)?;
        self.file(at, b"linked")?;
        for (from, to) in [("linked", "linked-2"), ("linked", "linked-3"), ("fifo", "fifo-2"), ("up", "up-2")] {
            rustix::fs::linkat(at, from, at, to, AtFlags::empty())?;
        }
        for (name, full) in [(b"empty".as_slice(), false), (b"with-one", true)] {
            let inner = make(at, name)?;
            if full {
                self.file(inner.as_fd(), b"one")?;
            }
            self.finish(at, name, true)?;
        }
        self.finish(root, b"kinds", true)
    }

    /// Names that programs trip over.
    fn odd_names(&mut self, root: BorrowedFd<'_>) -> io::Result<()> {
        let dir = make(root, b"names")?;
        let longest = [b'n'; 255];
        let all: Vec<u8> = (1..=255).filter(|&byte| byte != b'/').collect();
        for name in [
            b"two\nlines".as_slice(),
            b"caf\xe9",
            "ünï".as_bytes(),
            b"\xff\xfe",
            b" ",
            b"-rf",
            b"...",
            b"a\\x62",
            b"*",
            b"[a",
            b"!b",
            b"#c",
            b"a!",
            b"a",
            b"tab\there",
            b"quote'\"`$(x)",
            b"trailing ",
            &longest,
            &all,
        ] {
            self.file(dir.as_fd(), name)?;
        }
        // Sorted by whole paths, `b!` would come between `b` and what is in it.
        let inner = make(dir.as_fd(), b"b")?;
        self.file(inner.as_fd(), b"in-b")?;
        self.finish(dir.as_fd(), b"b", true)?;
        self.file(dir.as_fd(), b"b!")?;
        self.finish(root, b"names", true)
    }

    /// A path of more than `PATH_MAX` bytes, with a file at its end.
    fn deep(&mut self, root: BorrowedFd<'_>) -> io::Result<()> {
        let mut levels = vec![make(root, b"deep")?];
        let name = [b'd'; 100];
        for _ in 0..45 {
            let last = levels.last().map_or(root, |fd| fd.as_fd());
            levels.push(make(last, &name)?);
        }
        if let Some(last) = levels.last() {
            self.file(last.as_fd(), b"bottom")?;
        }
        for pair in levels.windows(2).rev() {
            self.finish(pair[0].as_fd(), &name, true)?;
        }
        self.finish(root, b"deep", true)
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &[u8], depth: u32) -> io::Result<()> {
        let dir = make(parent, name)?;
        let at = dir.as_fd();
        let wide = if self.numbers.once_in(20) { 300 } else { 4 + self.numbers.below(30) };
        for number in 0..wide {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let name = format!("{}-{number}", self.numbers.below(1000)).into_bytes();
            match self.numbers.below(40) {
                0..3 if depth < 7 => self.directory(at, &name, depth + 1)?,
                3 => self.symlink(at, &name, b"../somewhere")?,
                4 => match self.numbers.pick(&self.links) {
                    // The file system's limit of links, or another owner's file: then it is just a file.
                    Some((from, of))
                        if rustix::fs::linkat(from, of.as_slice(), at, &name, AtFlags::empty()).is_ok() => {}
                    _ => self.file(at, &name)?,
                },
                5 => {
                    drop(make(at, &name)?);
                    self.finish(at, &name, true)?;
                }
                _ => self.file(at, &name)?,
            }
        }
        self.finish(parent, name, true)
    }
}

fn make(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Sets an attribute, where the file system has such.
fn set(path: &[u8], name: &[u8], value: &[u8]) -> io::Result<()> {
    match rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOSPC) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// An access list as the kernel keeps it (`linux/posix_acl_xattr.h`): the mode's three, one user more, the mask.
fn acl(mode: u32, user: u32) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    let none = u32::MAX;
    for (tag, rights, id) in [
        (0x01_u16, mode >> 6, none),
        (0x02, 0o4, user),
        (0x04, mode >> 3, none),
        (0x10, mode >> 3, none),
        (0x20, mode, none),
    ] {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&(rights as u16 & 0o7).to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}
