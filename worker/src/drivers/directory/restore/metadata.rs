//! Setting owner, mode, attributes and times of one entry, in the order in which they do not undo each other.
//!
//! An owner who loses a file can't set its `user.` attributes any more; a change of owner clears the set-id bits and
//! the capabilities; a mode changes an ACL's mask, and an ACL the mode's group bits. So: attributes, owner, ACLs, mode,
//! capabilities, times. Everything goes to an open descriptor, so it is the same entry from first to last; one that was
//! opened without access (`O_PATH`) is reached by its name in `/proc/self/fd`, which leads to that entry and no other.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Statx, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::{Errno, Result};

use crate::drivers::directory::properties::Owners;
use crate::drivers::directory::rights::Rights;
use crate::drivers::directory::{beneath, inspect};
use crate::vault::tree::Meta;

/// What could not be set, for a message: `set the owner of`.
pub(crate) type Failed = (&'static str, Errno);

pub(crate) struct Setter<'a> {
    pub(crate) rights: &'a Rights,
    pub(crate) owners: Owners,
}

impl Setter<'_> {
    /// Makes the entry's numbers and attributes what `want` says; what is right already is not touched.
    pub(crate) fn set(&self, fd: BorrowedFd<'_>, want: &Meta) -> std::result::Result<(), Failed> {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let path = path.as_str();
        let stat = beneath::stat_open(fd).map_err(|errno| ("look at", errno))?;
        let link = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Symlink;
        let have = inspect::xattrs_path(path).map_err(|errno| ("read the attributes of", errno))?;
        let attributes = |errno| ("set the attributes of", errno);
        let owner = (stat.stx_uid, stat.stx_gid) != (want.uid, want.gid) && self.owners == Owners::Restore;
        let mut touched = false;
        if have != want.xattrs {
            touched = true;
            self.remove(path, fd, &stat, &have, want).map_err(attributes)?;
            self.put(path, fd, &stat, &have, want, |name| !is_acl(name) && !is_capability(name)).map_err(attributes)?;
        }
        // Setting attributes may have taken the entry over.
        let now = if touched { beneath::stat_open(fd).map_err(|errno| ("look at", errno))? } else { stat };
        if self.owners == Owners::Restore && (now.stx_uid, now.stx_gid) != (want.uid, want.gid) {
            let (uid, gid) = (Uid::from_raw(want.uid), Gid::from_raw(want.gid));
            rustix::fs::chownat(fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
                .map_err(|errno| ("set the owner of", errno))?;
            touched = true;
        }
        if have != want.xattrs {
            self.put(path, fd, &stat, &have, want, is_acl).map_err(attributes)?;
        }
        if !link && (touched || owner || u32::from(stat.stx_mode) & 0o7777 != want.mode) {
            let mode = |errno| ("set the mode of", errno);
            rustix::fs::chmodat(CWD, path, Mode::from_bits_retain(want.mode), AtFlags::empty()).map_err(mode)?;
            // Without CAP_FSETID the kernel drops the set-group-id bit and says nothing.
            if want.mode & 0o2000 != 0 {
                let now = beneath::stat_open(fd).map_err(mode)?;
                if u32::from(now.stx_mode) & 0o7777 != want.mode {
                    return Err(mode(Errno::PERM));
                }
            }
        }
        if touched {
            // A change of owner has cleared what was there.
            self.put(path, fd, &stat, &[], want, is_capability).map_err(attributes)?;
        }
        self.times(fd, &stat, want).map_err(|errno| ("set the time of", errno))
    }

    fn times(&self, fd: BorrowedFd<'_>, stat: &Statx, want: &Meta) -> Result<()> {
        if inspect::nanoseconds(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec) == want.mtime {
            return Ok(());
        }
        let seconds = i64::try_from(want.mtime.div_euclid(1_000_000_000)).map_err(|_| Errno::OVERFLOW)?;
        // Less than a second's nanoseconds, by the line above.
        let mtime = Timespec { tv_sec: seconds, tv_nsec: want.mtime.rem_euclid(1_000_000_000) as _ };
        let leave = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
        let times = Timestamps { last_access: leave, last_modification: mtime };
        rustix::fs::utimensat(fd, c"", &times, AtFlags::EMPTY_PATH)
    }

    /// Removes the attributes that should not be there.
    fn remove(&self, path: &str, fd: BorrowedFd<'_>, stat: &Statx, have: &[Xattr], want: &Meta) -> Result<()> {
        for (name, _) in have.iter().filter(|(name, _)| !want.xattrs.iter().any(|(wanted, _)| wanted == name)) {
            self.with_access(fd, stat, || match rustix::fs::removexattr(path, name.as_slice()) {
                Err(Errno::NODATA) => Ok(()),
                other => other,
            })?;
        }
        Ok(())
    }

    /// Sets those of the wanted attributes that `which` picks and that are not there as they should be.
    fn put(
        &self,
        path: &str,
        fd: BorrowedFd<'_>,
        stat: &Statx,
        have: &[Xattr],
        want: &Meta,
        which: fn(&[u8]) -> bool,
    ) -> Result<()> {
        for (name, value) in want.xattrs.iter().filter(|wanted| which(&wanted.0) && !have.contains(wanted)) {
            self.with_access(fd, stat, || rustix::fs::setxattr(path, name.as_slice(), value, XattrFlags::empty()))?;
        }
        Ok(())
    }

    /// Tries once more as the owner, who may, what another may not; the owner is set right afterwards.
    fn with_access(&self, fd: BorrowedFd<'_>, stat: &Statx, mut act: impl FnMut() -> Result<()>) -> Result<()> {
        match act() {
            Err(Errno::ACCESS) if self.owners == Owners::Restore && stat.stx_uid != self.rights.uid => {
                rustix::fs::chownat(fd, c"", Some(Uid::from_raw(self.rights.uid)), None, AtFlags::EMPTY_PATH)?;
                act()
            }
            other => other,
        }
    }
}

type Xattr = (Vec<u8>, Vec<u8>);

fn is_acl(name: &[u8]) -> bool {
    name.starts_with(b"system.posix_acl_")
}

fn is_capability(name: &[u8]) -> bool {
    name == b"security.capability"
}
