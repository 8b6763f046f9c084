//! What the file system says of one entry, as the vault keeps it: kind, numbers, times, extended attributes.
//!
//! Extended attributes of what is not open are read through `/proc/self/fd/N/name`, N being the directory's descriptor:
//! the kernel then looks up one name in that very directory and does not follow it, and nothing needs to be opened
//! (opening a device or a FIFO has effects). This needs `/proc`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{FileType, Statx, makedev};
use rustix::io::{Errno, Result};

use crate::vault::tree::{Kind, Meta};

/// Attribute lists are at most this long, as are values (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 64 * 1024;

/// The kind of an entry; the target of a link is read.
pub(crate) fn kind(dir: BorrowedFd<'_>, name: &[u8], stat: &Statx) -> Result<Kind> {
    Ok(match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes()),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharDevice(makedev(stat.stx_rdev_major, stat.stx_rdev_minor)),
        FileType::BlockDevice => Kind::BlockDevice(makedev(stat.stx_rdev_major, stat.stx_rdev_minor)),
        FileType::RegularFile | FileType::Unknown => Kind::File,
    })
}

/// What `stat` says, with the extended attributes.
pub(crate) fn meta(stat: &Statx, xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Meta {
    let several = stat.stx_nlink > 1 && FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory;
    Meta {
        mode: u32::from(stat.stx_mode) & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        mtime: nanoseconds(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
        ctime: nanoseconds(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        size: stat.stx_size,
        inode: if several { stat.stx_ino } else { 0 },
        device: if several { makedev(stat.stx_dev_major, stat.stx_dev_minor) } else { 0 },
        links: if several { stat.stx_nlink.into() } else { 1 },
        xattrs,
    }
}

pub(crate) fn nanoseconds(seconds: i64, nanoseconds: u32) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// The extended attributes of an entry that is not open; of a link, its own. Sorted by name.
pub(crate) fn xattrs(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let path = by_proc(dir, name);
    collect(
        |buffer| rustix::fs::llistxattr(path.as_slice(), buffer),
        |attribute, buffer| rustix::fs::lgetxattr(path.as_slice(), attribute, buffer),
    )
}

/// The extended attributes of what a path leads to, such as one in `/proc/self/fd`. Sorted by name.
pub(crate) fn xattrs_path(path: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    collect(
        |buffer| rustix::fs::listxattr(path, buffer),
        |attribute, buffer| rustix::fs::getxattr(path, attribute, buffer),
    )
}

/// The extended attributes of what is open. Sorted by name.
pub(crate) fn xattrs_open(fd: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    collect(
        |buffer| rustix::fs::flistxattr(fd, buffer),
        |attribute, buffer| rustix::fs::fgetxattr(fd, attribute, buffer),
    )
}

/// A path by which the kernel finds one name in an open directory.
pub(crate) fn by_proc(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

fn collect(
    list: impl Fn(&mut [u8]) -> Result<usize>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize>,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut small = [0; 256];
    let mut large = Vec::new();
    let names = match list(&mut small) {
        // Most entries have none.
        Ok(length) => small[..length].to_vec(),
        Err(Errno::RANGE) => {
            large.resize(XATTR_MAX, 0);
            let length = list(&mut large)?;
            large[..length].to_vec()
        }
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    };
    let mut found = Vec::new();
    for name in names.split(|&byte| byte == 0).filter(|name| recorded(name)) {
        large.resize(XATTR_MAX, 0);
        match get(name, &mut large) {
            Ok(length) => found.push((name.to_vec(), large[..length].to_vec())),
            // Gone since it was listed.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether an attribute is the owner's data. Labels that the system computes by itself are not: they belong to the
/// machine's policy, not to the tree.
pub(crate) fn recorded(name: &[u8]) -> bool {
    let systems = [b"security.selinux".as_slice(), b"security.ima", b"security.evm", b"security.apparmor"];
    let acls = [b"system.posix_acl_access".as_slice(), b"system.posix_acl_default"];
    !name.is_empty()
        && !systems.contains(&name)
        && !name.starts_with(b"security.SMACK64")
        && !name.starts_with(b"trusted.overlay.")
        && (!name.starts_with(b"system.") || acls.contains(&name))
}
