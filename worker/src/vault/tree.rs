//! A directory tree on its way into the vault and out of it, without rustic's types: the directory driver walks and
//! writes the file system, the vault keeps what it is given. Neither knows the other's inside.

use std::io::Read;

/// What a file system says of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits and set-id/sticky bits (`st_mode & 0o7777`).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Nanoseconds since 1970-01-01T00:00:00Z; negative before.
    pub mtime: i128,
    /// Nanoseconds since 1970-01-01T00:00:00Z; for the unchanged-file check, not restored.
    pub ctime: i128,
    /// Bytes, as `st_size` says. Kept for files and symlinks only.
    pub size: u64,
    /// With `device`: which entries are hard links of one file. Zero where `links` is 1.
    pub inode: u64,
    pub device: u64,
    pub links: u64,
    /// Extended attributes, POSIX ACLs among them (`system.posix_acl_access`), sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// The target, as it is.
    Symlink(Vec<u8>),
    Fifo,
    Socket,
    /// `st_rdev`.
    CharDevice(u64),
    BlockDevice(u64),
}

/// One entry of a tree. Names are bytes: a Linux file name is anything without `/` and NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The names from the root of the tree down; empty for the root itself.
    pub path: Vec<Vec<u8>>,
    pub kind: Kind,
    pub meta: Meta,
}

/// What the vault reads a tree from. Entries come depth first, parents before children, siblings sorted by the bytes of
/// their names, the root first.
pub trait TreeSource: Send + Sync {
    /// The walk. An error ends the backup: what could not be read is not skipped in silence.
    fn entries(&self) -> Box<dyn Iterator<Item = std::io::Result<Entry>> + Send + '_>;

    /// The content of a file, called once for each `Kind::File` that the vault does not have unchanged already, from a
    /// few threads at a time. Exactly `entry.meta.size` bytes (restic goes by the size): the reader must end with an
    /// error, not short, when the content can't be had; of a file that grows meanwhile it gives as much as was said, of
    /// one that shrinks it fills up with zeros or fails, as the source sees fit.
    fn open(&self, entry: &Entry) -> std::io::Result<Box<dyn Read + Send>>;

    /// Bytes and files, as far as they are known beforehand.
    fn size(&self) -> Option<(u64, u64)> {
        None
    }
}
