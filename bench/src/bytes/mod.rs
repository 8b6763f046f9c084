//! One tree, copied and restored by stacksnap and by restic, by turns: who begins changes from round to round.
//!
//! Both begin with nothing (a fresh vault, a fresh repository), read the same tree, which is in the page cache, and
//! restore it to where nothing is: restic into an empty directory, stacksnap into the tree itself, which was emptied, for
//! it restores in place. What is dirty is flushed before each measurement, so that nobody pays for another. In every
//! round the two restored trees are compared.
//!
//! No file of a tree is removed before the end: emptied means that all was moved away. ext4 passes over every inode that
//! was removed in the last minutes when it looks for a free one (`recently_deleted` in its `ialloc.c`). Whoever writes
//! to where 90,000 files have just been removed measures that, two thirds of the processor time, and nothing else.

mod restic;
mod same;
mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use serde_json::json;

use self::restic::Restic;
use crate::Arguments;
use crate::meter::Cost;
use crate::report::{all, at_most, median, seconds};
use crate::service::Service;

/// The whole process, in both directions.
const MEMORY: f64 = 400.0;

/// What one measured in all rounds.
#[derive(Default)]
struct Costs {
    backup: Vec<Cost>,
    restore: Vec<Cost>,
}

struct Bench<'a> {
    arguments: &'a Arguments,
    directory: PathBuf,
    tree: PathBuf,
}

pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let scratch = tempfile::Builder::new().prefix("stacksnap-bench-").tempdir_in(&arguments.scratch)?;
    let directory = scratch.path().canonicalize()?;
    let bench = Bench { arguments, tree: directory.join("tree"), directory };
    let bytes = sample::build(&bench.tree, arguments.files as usize, arguments.megabytes * 1_000_000)?;
    println!(
        "tree      {} files, {:.2} GB, half text and half noise; in the page cache",
        arguments.files,
        bytes as f64 / 1e9
    );
    let (mut ours, mut theirs) = (Costs::default(), Costs::default());
    for round in 0..arguments.rounds {
        bench.round(round, &mut ours, &mut theirs).await?;
        let last = |costs: &[Cost]| costs.last().map_or(f64::NAN, |cost| seconds(cost.wall));
        println!(
            "round {}   backup {:.2} s, restic {:.2} s; restore {:.2} s, restic {:.2} s",
            round + 1,
            last(&ours.backup),
            last(&theirs.backup),
            last(&ours.restore),
            last(&theirs.restore)
        );
    }
    print("backup", &ours.backup, &theirs.backup, 1.4);
    print("restore", &ours.restore, &theirs.restore, 1.1);
    println!("          restic flushes nothing at a restore; stacksnap has all on disk when it says COMPLETE");
    Ok(())
}

impl Bench<'_> {
    async fn round(&self, round: u32, ours: &mut Costs, theirs: &mut Costs) -> anyhow::Result<()> {
        let place = self.directory.join(format!("round-{round}"));
        let (restored, ours_first) = (self.directory.join(format!("restored-{round}")), round.is_multiple_of(2));
        let root = ["--directory-root".as_ref(), self.tree.as_os_str()];
        let mut service = Service::start(&self.arguments.stacksnap, &place.join("stacksnap"), &root).await?;
        service.stack(json!({ "tree": { "type": "Stacksnap::Directory", "external_id": self.tree } })).await?;
        let restic = Restic::new(place.join("restic"))?;

        let mut snapshot = String::new();
        for us in [ours_first, !ours_first] {
            flush(&self.directory)?;
            if us {
                let (id, cost) = service.snapshot().await?;
                snapshot = id;
                ours.backup.push(cost);
            } else {
                theirs.backup.push(restic.backup(&self.tree)?);
            }
        }
        move_away(&self.tree, &self.directory.join(format!("before-{round}")))?;
        for us in [ours_first, !ours_first] {
            flush(&self.directory)?;
            if us {
                ours.restore.push(service.restore(&snapshot).await?);
            } else {
                theirs.restore.push(restic.restore(&restored)?);
            }
        }
        drop(service);
        let below = self.tree.strip_prefix("/").unwrap_or(&self.tree);
        let (files, _) = same::compare(&self.tree, &restored.join(below)).context("what the two restored")?;
        anyhow::ensure!(files == u64::from(self.arguments.files), "{files} files were restored");
        fs::remove_dir_all(place)?;
        Ok(())
    }
}

fn print(what: &str, ours: &[Cost], theirs: &[Cost], limit: f64) {
    let wall = |costs: &[Cost]| costs.iter().map(|cost| seconds(cost.wall)).collect::<Vec<_>>();
    let processor = |costs: &[Cost]| median(costs.iter().map(|cost| seconds(cost.processor)));
    let mebibytes = |cost: &Cost| cost.memory as f64 / f64::from(1 << 20);
    let (a, b) = (median(wall(ours)), median(wall(theirs)));
    let peak = ours.iter().map(mebibytes).fold(0.0, f64::max);
    println!("{what:9} {a:.2} s, restic {b:.2} s: {}", at_most(a / b, limit));
    println!("          all: {}; restic: {}", all(wall(ours)), all(wall(theirs)));
    println!(
        "          processor {:.2} s, restic {:.2} s; peak memory of the process {} MiB, restic {:.0}",
        processor(ours),
        processor(theirs),
        at_most(peak.round(), MEMORY),
        theirs.iter().map(mebibytes).fold(0.0, f64::max)
    );
}

/// Writes all that is dirty in this file system to its disk.
fn flush(directory: &Path) -> anyhow::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(directory)?)?)
}

/// Moves what is in a directory to another one, which is made.
fn move_away(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
