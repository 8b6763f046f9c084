//! What a tree is, to the last bit, and in what two differ.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, OFlags};
use sha2::{Digest, Sha256};

use crate::drivers::directory::{beneath, inspect, names};

/// Every entry of a tree, with all that a restore brings back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest(BTreeMap<Vec<Vec<u8>>, Record>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    /// Seconds and nanoseconds.
    mtime: (i64, i64),
    /// Of a file; of others 0.
    size: u64,
    /// Of a file its SHA-256, of a link its target, of a device its number.
    content: Vec<u8>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The first path, in order, that is a hard link of the same file.
    link_of: Option<Vec<Vec<u8>>>,
}

/// One thing in which a tree is not what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: String,
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// A line for each entry.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, record) in &self.0 {
            let Record { kind, mode, owner, mtime, size, content, xattrs, link_of } = record;
            let link = link_of.as_ref().map(|path| names::show(path));
            let (path, content) = (names::show(path), hex::encode(content));
            writeln!(f, "{path}: {kind} {mode:o} {owner:?} {mtime:?} {size} {content} {xattrs:?} {link:?}")?;
        }
        Ok(())
    }
}

impl Manifest {
    /// Entries, and the bytes of its files.
    pub fn size(&self) -> (u64, u64) {
        (self.0.len() as u64, self.0.values().map(|record| record.size).sum())
    }

    /// Without what is at or below `path` (names joined by `/`), for what a test expects to be left alone.
    pub fn without(mut self, path: &str) -> Self {
        let path = names::split(path.as_bytes());
        self.0.retain(|at, _| !at.starts_with(&path));
        self
    }

    /// What `other` has otherwise; sorted by path.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut add = |path: &[Vec<u8>], what: String| found.push(Difference { path: names::show(path), what });
        for (path, was) in &self.0 {
            let Some(is) = other.0.get(path) else {
                add(path, format!("is missing (was a {})", was.kind));
                continue;
            };
            if was.kind != is.kind {
                add(path, format!("was a {}, is a {}", was.kind, is.kind));
                continue;
            }
            if was.size != is.size {
                add(path, format!("size was {}, is {}", was.size, is.size));
            } else if was.content != is.content {
                add(path, "other content".to_owned());
            }
            if was.mode != is.mode {
                add(path, format!("mode was {:04o}, is {:04o}", was.mode, is.mode));
            }
            if was.owner != is.owner {
                add(path, format!("owner was {:?}, is {:?}", was.owner, is.owner));
            }
            if was.mtime != is.mtime {
                add(path, format!("time was {:?}, is {:?}", was.mtime, is.mtime));
            }
            if was.xattrs != is.xattrs {
                add(path, format!("attributes were {:?}, are {:?}", shown(&was.xattrs), shown(&is.xattrs)));
            }
            if was.link_of != is.link_of {
                add(path, format!("was a link of {:?}, is of {:?}", was.link_of, is.link_of));
            }
        }
        for (path, is) in other.0.iter().filter(|(path, _)| !self.0.contains_key(*path)) {
            add(path, format!("was not there, is a {}", is.kind));
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }
}

fn shown(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    xattrs.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect()
}

/// Reads the tree in `dir`. Every byte of every file is read.
pub fn manifest(dir: &Path) -> io::Result<Manifest> {
    let root = super::open(dir)?;
    let mut records = BTreeMap::new();
    let mut waiting = vec![Vec::new()];
    records.insert(Vec::new(), record(root.as_fd(), b".")?.0);
    let mut inodes: HashMap<(u64, u64), Vec<Vec<Vec<u8>>>> = HashMap::new();
    while let Some(path) = waiting.pop() {
        let fd = beneath::open_dir(root.as_fd(), &path)?;
        for entry in rustix::fs::Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let path = names::child(&path, name);
            let (record, inode) = record(fd.as_fd(), name)?;
            if record.kind == "directory" {
                waiting.push(path.clone());
            } else if let Some(inode) = inode {
                inodes.entry(inode).or_default().push(path.clone());
            }
            records.insert(path, record);
        }
    }
    for mut paths in inodes.into_values().filter(|paths| paths.len() > 1) {
        paths.sort();
        for path in &paths {
            if let Some(record) = records.get_mut(path) {
                record.link_of = Some(paths[0].clone());
            }
        }
    }
    Ok(Manifest(records))
}

/// Reads the tree in `dir` and says in what it differs.
pub fn compare(manifest: &Manifest, dir: &Path) -> io::Result<Vec<Difference>> {
    Ok(manifest.differences(&self::manifest(dir)?))
}

fn record(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<(Record, Option<(u64, u64)>)> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let (kind, content) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => ("file", digest(dir, name)?),
        FileType::Directory => ("directory", Vec::new()),
        FileType::Symlink => ("symbolic link", rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes()),
        FileType::Fifo => ("FIFO", Vec::new()),
        FileType::Socket => ("socket", Vec::new()),
        FileType::CharacterDevice => ("character device", stat.st_rdev.to_le_bytes().to_vec()),
        FileType::BlockDevice => ("block device", stat.st_rdev.to_le_bytes().to_vec()),
        FileType::Unknown => ("unknown", Vec::new()),
    };
    let record = Record {
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
        mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        size: if kind == "file" { stat.st_size as u64 } else { 0 },
        content,
        xattrs: inspect::xattrs(dir, name)?,
        link_of: None,
        kind,
    };
    Ok((record, (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino))))
}

fn digest(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, name, flags, rustix::fs::Mode::empty())?);
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 128 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().to_vec()),
            length => digest.update(&buffer[..length]),
        }
    }
}
