//! Where a project's directories may lie, and how one is reached.
//!
//! The operator lists roots, for one project or for all; the default is none. A resource's `external_id` is an absolute
//! path at or below one of them, written plainly (no `.`, no `..`, no doubled slash). It is opened from `/` down to the
//! allowed root, and from there beneath it, without following a single link, so that neither the text nor a link that
//! somebody plants leads out. The way to the resource may cross mount points, which only the system's owner can make;
//! inside the resource none is crossed (see `beneath`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, StatxAttributes};
use rustix::io::Errno;
use serde::Deserialize;
use stacksnap_common::ids::ProjectId;

use super::errors;
use super::{beneath, names};
use crate::driver::Error;

/// One directory whose content a project may have snapshotted and restored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedRoot {
    /// Absent: every project.
    #[serde(default)]
    pub project: Option<ProjectId>,
    /// Absolute, and without a link in it: `/srv/data`.
    pub path: PathBuf,
}

/// On the way to the resource: no links, but other mounts.
const ON_THE_WAY: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// A resource's place: the allowed root, and the names from there down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    root: Vec<Vec<u8>>,
    below: Vec<Vec<u8>>,
}

/// A resource's directory, open.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    pub(crate) id: FileId,
    pub(crate) mount: u64,
}

/// Which file it is, as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(stat: &rustix::fs::Statx) -> Self {
        Self { device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), inode: stat.stx_ino }
    }
}

impl Place {
    /// The place that `external_id` names, if `project` may use it.
    pub(crate) fn find(roots: &[AllowedRoot], project: &ProjectId, external_id: &str) -> Result<Self, Error> {
        let path = plain(external_id).map_err(|rule| {
            Error::permanent(format!("external_id {external_id:?} can't be used as a directory's path: {rule}"))
        })?;
        let allowed = roots.iter().filter(|root| root.project.as_ref().is_none_or(|of| of == project));
        let nearest = allowed
            .filter_map(|root| root.path.to_str().and_then(|text| plain(text).ok()))
            .filter(|root| path.starts_with(root))
            .max_by_key(Vec::len);
        match nearest {
            Some(root) => Ok(Self { below: path[root.len()..].to_vec(), root }),
            None => Err(Error::permanent(format!(
                "{external_id} is not in a directory that project {project} may use; the operator of this service \
                 allows directories with --directory-root, by default none"
            ))),
        }
    }

    /// The path as one text: what names the resource in messages, and for its lock.
    pub(crate) fn path(&self) -> String {
        format!("/{}", names::show(&[self.root.as_slice(), self.below.as_slice()].concat()))
    }

    /// The paths above it, nearest last, as in [`Place::path`].
    pub(crate) fn ancestors(&self) -> Vec<String> {
        let all = [self.root.as_slice(), self.below.as_slice()].concat();
        (1..all.len()).map(|length| format!("/{}", names::show(&all[..length]))).collect()
    }

    /// Opens the directory. [`Error::Gone`] if there is none; refused if a link or something else is in its place.
    pub(crate) fn open(&self) -> Result<Tree, Error> {
        let root = self.open_root()?;
        let fd = beneath::open_dir_with(root.as_fd(), &self.below, ON_THE_WAY | ResolveFlags::BENEATH)
            .map_err(|errno| self.refused(root.as_fd(), &self.below, errno))?;
        Tree::new(fd).map_err(|errno| errors::os("look at", &self.path(), errno))
    }

    /// Opens the directory, made anew (mode 0700) if it is missing; the one above it must be there.
    pub(crate) fn open_or_make(&self) -> Result<Tree, Error> {
        match (self.open(), self.below.last()) {
            (Err(Error::Gone(_)), Some(name)) => {
                let above = self.open_above()?;
                match rustix::fs::mkdirat(&above, name.as_slice(), Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errors::os("make", &self.path(), errno)),
                }
                rustix::fs::fsync(&above).map_err(|errno| errors::os("make", &self.path(), errno))?;
                self.open()
            }
            (other, _) => other,
        }
    }

    /// The directory in which a missing one would be made; an error if it can't be reached either.
    pub(crate) fn open_above(&self) -> Result<OwnedFd, Error> {
        let Some((_, above)) = self.below.split_last() else {
            return Err(Error::Gone(format!("there is no directory {}, the root that is allowed", self.path())));
        };
        let root = self.open_root()?;
        beneath::open_dir_with(root.as_fd(), above, ON_THE_WAY | ResolveFlags::BENEATH)
            .map_err(|errno| self.refused(root.as_fd(), above, errno))
    }

    /// An error if the path does not lead to `tree` any more: somebody put another directory in its place.
    pub(crate) fn still(&self, tree: &Tree) -> Result<(), Error> {
        let now = self.open()?;
        if now.id == tree.id && now.mount == tree.mount {
            return Ok(());
        }
        Err(Error::transient(format!("{} was replaced by another directory while it was in use", self.path())))
    }

    fn open_root(&self) -> Result<OwnedFd, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let slash = rustix::fs::open("/", flags, Mode::empty()).map_err(|errno| errors::os("open", "/", errno))?;
        beneath::open_dir_with(slash.as_fd(), &self.root, ON_THE_WAY | ResolveFlags::BENEATH)
            .map_err(|errno| refused(slash.as_fd(), "/", &self.root, errno))
    }

    fn refused(&self, root: BorrowedFd<'_>, path: &names::Path, errno: Errno) -> Error {
        refused(root, &format!("/{}/", names::show(&self.root)), path, errno)
    }
}

impl Tree {
    pub(crate) fn new(fd: OwnedFd) -> rustix::io::Result<Self> {
        let stat = beneath::stat_open(fd.as_fd())?;
        Ok(Self { id: FileId::of(&stat), mount: stat.stx_mnt_id, root: fd })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The same directory with a descriptor of its own, for a second listing beside the first.
    pub(crate) fn again(&self) -> rustix::io::Result<OwnedFd> {
        beneath::open_dir(self.root.as_fd(), &[])
    }

    /// Whether the directory `other` is this one or lies in it.
    pub(crate) fn holds(&self, other: &std::path::Path) -> rustix::io::Result<bool> {
        is_above(&self.id, rustix::fs::open(other, ABOVE, Mode::empty())?)
    }

    /// Whether this directory is `other` or lies in it.
    pub(crate) fn lies_in(&self, other: &std::path::Path) -> rustix::io::Result<bool> {
        let other = rustix::fs::open(other, ABOVE, Mode::empty())?;
        let id = FileId::of(&beneath::stat_open(other.as_fd())?);
        is_above(&id, rustix::fs::openat(&self.root, c".", ABOVE, Mode::empty())?)
    }
}

const ABOVE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether `id` is the directory `at` or one above it.
fn is_above(id: &FileId, mut at: OwnedFd) -> rustix::io::Result<bool> {
    loop {
        let here = FileId::of(&beneath::stat_open(at.as_fd())?);
        if here == *id {
            return Ok(true);
        }
        let above = rustix::fs::openat(&at, c"..", ABOVE, Mode::empty())?;
        if FileId::of(&beneath::stat_open(above.as_fd())?) == here {
            return Ok(false);
        }
        at = above;
    }
}

/// The names of an absolute path, or the rule that it breaks.
fn plain(path: &str) -> Result<Vec<Vec<u8>>, &'static str> {
    let Some(below) = path.strip_prefix('/') else {
        return Err("it must be absolute, beginning with \"/\"");
    };
    if path.len() >= 4096 {
        return Err("it must be shorter than 4096 bytes");
    }
    if path.contains('\0') {
        return Err("it must not contain a zero byte");
    }
    let below = below.strip_suffix('/').unwrap_or(below);
    if below.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<Vec<u8>> = below.split('/').map(|name| name.as_bytes().to_vec()).collect();
    match names.iter().map(Vec::as_slice).find(|name| matches!(*name, b"" | b"." | b"..")) {
        Some(b"..") => Err("it must not contain \"..\""),
        Some(_) => Err("it must not contain \".\" or \"//\""),
        None if names.iter().any(|name| name.len() > 255) => Err("a name in it is longer than 255 bytes"),
        None => Ok(names),
    }
}

/// Why the directory at `path` below `from` did not open, in words: which name is missing, a link, or no directory.
fn refused(from: BorrowedFd<'_>, shown: &str, path: &names::Path, errno: Errno) -> Error {
    for depth in 0..path.len() {
        let here = format!("{shown}{}", names::show(&path[..=depth]));
        let above = match beneath::open_dir_with(from, &path[..depth], ON_THE_WAY | ResolveFlags::BENEATH) {
            Ok(above) => above,
            Err(errno) => return errors::os("open", &here, errno),
        };
        match beneath::stat(above.as_fd(), &path[depth]) {
            Ok(stat) => match FileType::from_raw_mode(stat.stx_mode.into()) {
                FileType::Directory => {}
                FileType::Symlink => {
                    return Error::permanent(format!(
                        "{here} is a symbolic link, and links are not followed; write the path that it leads to"
                    ));
                }
                _ => return Error::permanent(format!("{here} is not a directory")),
            },
            Err(Errno::NOENT) => return Error::Gone(format!("there is no directory {here}")),
            Err(errno) => return errors::os("look at", &here, errno),
        }
    }
    errors::os("open", &format!("{shown}{}", names::show(path)), errno)
}

/// Whether the entry is one that not even root may change (`chattr +i`, `chattr +a`).
pub(crate) fn is_locked(stat: &rustix::fs::Statx) -> bool {
    stat.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn root(project: Option<&str>, path: &str) -> AllowedRoot {
        AllowedRoot { project: project.map(|name| name.parse().unwrap()), path: path.into() }
    }

    fn find(roots: &[AllowedRoot], path: &str) -> Result<Place, String> {
        Place::find(roots, &"p1".parse().unwrap(), path).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_is_allowed_for_the_project() {
        let roots = [root(Some("p1"), "/srv/one"), root(Some("p2"), "/srv/two"), root(None, "/srv/all/")];
        assert_eq!(find(&roots, "/srv/one/a/b").unwrap().path(), "/srv/one/a/b");
        assert_eq!(find(&roots, "/srv/one").unwrap().path(), "/srv/one");
        assert_eq!(find(&roots, "/srv/all/x/").unwrap().path(), "/srv/all/x");
        for other in ["/srv/two/a", "/srv/onemore", "/srv", "/", "/etc"] {
            assert!(find(&roots, other).unwrap_err().contains("project p1 may use"), "{other}");
        }
        assert!(find(&[], "/srv/one").unwrap_err().contains("by default none"));
    }

    #[test]
    fn a_path_is_written_plainly() {
        let roots = [root(None, "/")];
        for (path, rule) in [
            ("srv/a", "absolute"),
            ("", "absolute"),
            ("/srv/../etc", "\"..\""),
            ("/srv/./a", "\".\""),
            ("/srv//a", "\"//\""),
            ("/srv/\0", "zero byte"),
        ] {
            assert!(find(&roots, path).unwrap_err().contains(rule), "{path}");
        }
        assert!(find(&roots, &format!("/{}", "n".repeat(256))).unwrap_err().contains("255"));
        assert!(find(&roots, &"/n".repeat(2100)).unwrap_err().contains("4096"));
    }

    #[test]
    fn ancestors_are_named_from_the_top() {
        let place = find(&[root(None, "/srv")], "/srv/a/b").unwrap();
        assert_eq!(place.ancestors(), ["/srv", "/srv/a"]);
    }

    #[test]
    fn links_missing_names_and_files_on_the_way_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("real/inner")).unwrap();
        std::fs::write(base.join("file"), "x").unwrap();
        std::os::unix::fs::symlink("real", base.join("link")).unwrap();
        let roots = [AllowedRoot { project: None, path: base.clone() }];
        let open = |below: &str| find(&roots, &format!("{}/{below}", base.display())).unwrap().open();
        assert!(open("real/inner").is_ok());
        let refused = open("link/inner").unwrap_err();
        assert!(matches!(&refused, Error::Permanent(text) if text.contains("link is a symbolic link")), "{refused}");
        assert!(open("link").unwrap_err().to_string().contains("symbolic link"));
        assert!(
            matches!(open("file/x").unwrap_err(), Error::Permanent(text) if text.contains("file is not a directory"))
        );
        assert!(matches!(open("real/none/deeper").unwrap_err(), Error::Gone(text) if text.contains("real/none")));
        // An allowed root that is a link itself is refused too.
        let roots = [AllowedRoot { project: None, path: base.join("link") }];
        let error = find(&roots, &format!("{}/link/inner", base.display())).unwrap().open().unwrap_err();
        assert!(error.to_string().contains("link is a symbolic link"), "{error}");
    }

    #[test]
    fn a_replaced_directory_is_noticed_and_a_missing_one_made() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let place =
            find(&[AllowedRoot { project: None, path: base.clone() }], base.join("a").to_str().unwrap()).unwrap();
        assert!(matches!(place.open().unwrap_err(), Error::Gone(_)));
        let tree = place.open_or_make().unwrap();
        place.still(&tree).unwrap();
        assert!(tree.holds(&base.join("a")).unwrap());
        assert!(!tree.holds(&base).unwrap());
        std::fs::rename(base.join("a"), base.join("b")).unwrap();
        std::fs::create_dir(base.join("a")).unwrap();
        assert!(place.still(&tree).unwrap_err().to_string().contains("replaced by another directory"));
    }
}
