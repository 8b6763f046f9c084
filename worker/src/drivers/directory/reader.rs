//! One file's content on its way into the vault: exactly as many bytes as its size was when it was opened.
//!
//! A file that somebody writes to meanwhile can't be had whole, but the vault's count must hold: what it grew is left
//! out, what it lost is made up with zeros, and either way (and when its time of change moved) the file is named.
//! Holes are not read: their zeros are made here.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{SeekFrom, Statx, seek};
use rustix::io::Errno;

use super::notes::Notes;
use super::{beneath, errors};
use crate::driver::{Ctx, Error};

pub(crate) struct FileReader {
    path: Vec<Vec<u8>>,
    file: File,
    stat: Box<Statx>,
    at: u64,
    /// For a file with holes, the data that `at` is in or before; `None` where there are none to look for.
    data: Option<std::ops::Range<u64>>,
    checked: bool,
    notes: Arc<Notes>,
    ctx: Ctx,
}

impl FileReader {
    /// `stat` is what the open file was when it was opened.
    pub(crate) fn new(path: Vec<Vec<u8>>, fd: OwnedFd, stat: Statx, notes: Arc<Notes>, ctx: Ctx) -> Self {
        let holes = stat.stx_blocks.saturating_mul(512) < stat.stx_size;
        let data = holes.then_some(0..0);
        Self { path, file: fd.into(), stat: Box::new(stat), at: 0, data, checked: false, notes, ctx }
    }

    pub(crate) fn path(&self) -> &[Vec<u8>] {
        &self.path
    }

    pub(crate) fn size(&self) -> u64 {
        self.stat.stx_size
    }

    /// How much of the next `most` bytes is a hole (`true`) or data.
    fn next(&mut self, most: u64) -> io::Result<(bool, u64)> {
        let Some(data) = &mut self.data else { return Ok((false, most)) };
        if self.at >= data.end {
            let start = match seek(&self.file, SeekFrom::Data(self.at)) {
                Ok(start) => start,
                // No data up to the end.
                Err(Errno::NXIO) => self.stat.stx_size,
                // A file system that can't tell.
                Err(_) => {
                    self.data = None;
                    return Ok((false, most));
                }
            };
            let end = match seek(&self.file, SeekFrom::Hole(start)) {
                Ok(end) => end,
                Err(_) => self.stat.stx_size,
            };
            *data = start..end.max(start);
        }
        if self.at < data.start {
            return Ok((true, most.min(data.start - self.at)));
        }
        if data.is_empty() {
            // The file was cut meanwhile: the rest is made up.
            return Ok((true, most));
        }
        Ok((false, most.min(data.end - self.at)))
    }

    /// At the end: was it the same file all the time?
    fn check(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.checked, true) {
            return Ok(());
        }
        let now = beneath::stat_open(self.file.as_fd()).map_err(|errno| errors::entry("look at", &self.path, errno))?;
        let same = now.stx_size == self.stat.stx_size
            && now.stx_mtime.tv_sec == self.stat.stx_mtime.tv_sec
            && now.stx_mtime.tv_nsec == self.stat.stx_mtime.tv_nsec;
        if !same {
            self.notes.changed(&self.path)?;
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = (self.stat.stx_size - self.at).min(buffer.len() as u64);
        if most == 0 {
            if !buffer.is_empty() {
                self.check().map_err(|error| self.notes.fail(error))?;
            }
            return Ok(0);
        }
        #[cfg(test)]
        super::tests::contract::broken(&self.path, self.at)?;
        let (hole, length) = self.next(most)?;
        // No more than the buffer's length, which is a `usize`.
        let buffer = &mut buffer[..usize::try_from(length).unwrap_or(usize::MAX).min(most as usize)];
        let read = if hole { 0 } else { self.file.read_at(buffer, self.at)? };
        let read = if read == 0 {
            buffer.fill(0);
            buffer.len()
        } else {
            read
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Err(error) = self.ctx.go_on() {
            return Err(self.notes.fail(error));
        }
        loop {
            match self.fill(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.notes.fail(errors::io("read", &self.path, &error))),
                read => return read,
            }
        }
    }
}
