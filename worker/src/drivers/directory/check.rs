//! What can be known before anything is copied: the directory is there and allowed, and what of it will give trouble.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, FileType};

use super::notes::Some as Few;
use super::policy::Tree;
use super::properties::{Owners, Unreadable};
use super::rights::Rights;
use super::walk::{Walk, What};
use super::{Job, errors};
use crate::driver::{Checked, Error};
use crate::vault::tree::Meta;

/// Opens the directory. Refused if it holds what is stacksnap's own, or lies in that.
pub(crate) fn open(job: &Job) -> Result<Tree, Error> {
    let tree = job.place.open()?;
    apart(job, &tree)?;
    Ok(tree)
}

/// A restore of a directory with its own locks and records in it would remove them under itself.
pub(crate) fn apart(job: &Job, tree: &Tree) -> Result<(), Error> {
    super::control::make_dir(job.control.dir()).map_err(|error| errors::control(&error))?;
    let inside = tree.holds(job.control.dir()).map_err(|errno| errors::os("look at", &job.place.path(), errno))?;
    if inside {
        return Err(Error::permanent(format!(
            "stacksnap's own data directory lies in {}; choose a directory beside it, or another --data-dir",
            job.place.path()
        )));
    }
    for own in job.own.iter() {
        if is_own(tree, own).map_err(|error| errors::control(&error))? {
            return Err(Error::permanent(format!(
                "{} holds or belongs to what is stacksnap's own (its data, a vault, a key or a password): a project could \
                 read all others' from its snapshot, and a restore would destroy them. Choose a directory beside {}",
                job.place.path(),
                own.display()
            )));
        }
    }
    Ok(())
}

/// Whether `own` lies in the directory, or, of a directory, the other way round. What is not there (yet) does neither.
fn is_own(tree: &Tree, own: &Path) -> io::Result<bool> {
    let Ok(real) = own.canonicalize() else { return Ok(false) };
    if real.is_dir() {
        return Ok(tree.holds(&real)? || tree.lies_in(&real)?);
    }
    Ok(real.parent().map_or(Ok(false), |holder| tree.holds(holder))?)
}

/// Walks the directory and names what a snapshot or a restore would stumble over.
pub(crate) fn check(job: &Job) -> Result<Checked, Error> {
    let tree = open(job)?;
    let rights = Rights::of_this_process();
    let (mut unreadable, mut foreign, mut mounts) = (Few::default(), Few::default(), Few::default());
    let failed = |errno| errors::os("look into", &job.place.path(), errno);
    let mut walk = Walk::new(&tree, &job.properties.exclude).map_err(failed)?;
    while let Some(found) = walk.step().map_err(failed)? {
        job.ctx.go_on()?;
        match &found.what {
            What::Entry(stat) => {
                let owner = Meta { uid: stat.stx_uid, gid: stat.stx_gid, ..Meta::default() };
                if job.properties.owners == Owners::Restore && !rights.gives(&owner) {
                    foreign.add(&found.path);
                }
                let regular = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile;
                if regular && !rights.reads_all() {
                    let (dir, name) = walk.holder(&found.path).map_err(failed)?;
                    let access = rustix::fs::accessat(dir, name, Access::READ_OK, AtFlags::EACCESS);
                    if access == Err(rustix::io::Errno::ACCESS) {
                        unreadable.add(&found.path);
                    }
                }
            }
            What::Unreadable(_) => unreadable.add(&found.path),
            What::Mount => mounts.add(&found.path),
            What::Excluded | What::Vanished | What::Temporary => {}
        }
    }
    let mut warnings = unreadable.lines(match job.properties.unreadable {
        Unreadable::Fail => {
            "the worker's user may not read it, so a snapshot would fail: exclude it, set the property unreadable: \
             skip, or give the worker CAP_DAC_READ_SEARCH"
        }
        Unreadable::Skip => "the worker's user may not read it, so it will not be in a snapshot",
    });
    warnings.extend(mounts.lines("a mount point; what is mounted there will not be in a snapshot"));
    warnings.extend(foreign.lines(
        "the worker may not set this owner, so a restore that has to make it anew would be refused: give the worker \
         CAP_CHOWN, or set the property owners: skip",
    ));
    Ok(Checked { warnings })
}
