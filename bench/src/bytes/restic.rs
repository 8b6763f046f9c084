//! restic, as its users run it: a fresh repository (format 2, which compresses, at the level that restic takes when told
//! nothing), one command to back up, one to restore into an empty directory. It flushes its packs to disk as it goes,
//! and at a restore nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::meter::{Cost, Meter};

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(10);

pub struct Restic {
    directory: PathBuf,
}

impl Restic {
    /// Makes a repository.
    pub fn new(directory: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&directory)?;
        let restic = Self { directory };
        restic.measure(["init", "--repository-version", "2"])?;
        Ok(restic)
    }

    pub fn backup(&self, tree: &Path) -> anyhow::Result<Cost> {
        self.measure([OsStr::new("backup"), tree.as_os_str()])
    }

    /// Into an empty directory, which is made. What was backed up then lies there under its whole path.
    pub fn restore(&self, into: &Path) -> anyhow::Result<Cost> {
        self.measure([OsStr::new("restore"), OsStr::new("latest"), OsStr::new("--target"), into.as_os_str()])
    }

    fn measure(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<Cost> {
        let log = self.directory.join("log");
        let output = std::fs::File::create(&log)?;
        let mut command = Command::new("restic");
        command
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.directory.join("repository"))
            .env("RESTIC_CACHE_DIR", self.directory.join("cache"))
            .env("RESTIC_PASSWORD", "bench")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let start = Instant::now();
        let mut child = command.spawn().context("start restic")?;
        let mut cost = Cost::default();
        while !ended(&child)? {
            cost.memory = Meter(child.id()).memory()?.unwrap_or_default().max(cost.memory);
            std::thread::sleep(LOOK);
        }
        cost.wall = start.elapsed();
        // What it used is known until it is waited for.
        cost.processor = Meter(child.id()).processor()?;
        if !child.wait()?.success() {
            bail!("restic failed: {}", std::fs::read_to_string(log)?);
        }
        Ok(cost)
    }
}

fn ended(child: &Child) -> anyhow::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}
