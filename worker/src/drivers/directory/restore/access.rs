//! Getting into directories of others: a worker that may change owners but not override permissions (`CAP_CHOWN`
//! without `CAP_DAC_OVERRIDE`) makes a directory its own while it works in it. The last pass of a restore gives every
//! directory of the snapshot the owner and mode that it should have.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Uid};
use rustix::io::{Errno, Result};

use crate::drivers::directory::beneath;
use crate::drivers::directory::rights::Rights;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a>(pub(crate) &'a Rights);

impl Access<'_> {
    /// Does something in `dir`; once more as its owner, if it is refused and ownership can be had.
    pub(crate) fn with<T>(&self, dir: BorrowedFd<'_>, mut act: impl FnMut() -> Result<T>) -> Result<T> {
        match act() {
            Err(Errno::ACCESS) if self.take(dir).is_ok() => act(),
            other => other,
        }
    }

    /// Makes the directory `name` in `dir` one that can be listed and changed.
    pub(crate) fn open_up(&self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
        let fd = self.with(dir, || beneath::open_entry(dir, name, OFlags::PATH | OFlags::DIRECTORY))?;
        self.take(fd.as_fd())
    }

    fn take(&self, dir: BorrowedFd<'_>) -> Result<()> {
        let stat = beneath::stat_open(dir)?;
        if stat.stx_uid != self.0.uid {
            rustix::fs::chownat(dir, c"", Some(Uid::from_raw(self.0.uid)), None, AtFlags::EMPTY_PATH)?;
        }
        let mode = Mode::from_bits_retain(u32::from(stat.stx_mode) & 0o7777 | 0o700);
        rustix::fs::chmodat(CWD, format!("/proc/self/fd/{}", dir.as_raw_fd()), mode, AtFlags::empty())
    }
}
