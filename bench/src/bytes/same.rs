//! Whether two trees are the same: a measurement of wrong work is worth nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, bail};

/// Compares names, kinds, modes, owners, times and every byte. Files, and bytes in them.
pub fn compare(a: &Path, b: &Path) -> anyhow::Result<(u64, u64)> {
    walk(a, b, true)
}

/// The same without times.
#[cfg(test)]
pub fn compare_content(a: &Path, b: &Path) -> anyhow::Result<(u64, u64)> {
    walk(a, b, false)
}

fn walk(a: &Path, b: &Path, times: bool) -> anyhow::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let mut names = names(a)?;
    if names != self::names(b)? {
        bail!("{} and {} hold different names", a.display(), b.display());
    }
    while let Some(name) = names.pop() {
        let (a, b) = (a.join(&name), b.join(&name));
        let (of_a, of_b) = (fs::symlink_metadata(&a)?, fs::symlink_metadata(&b)?);
        let facts = |meta: &fs::Metadata| {
            let time = if times { (meta.mtime(), meta.mtime_nsec()) } else { (0, 0) };
            (meta.mode(), meta.uid(), meta.gid(), time)
        };
        if facts(&of_a) != facts(&of_b) {
            bail!("{} and {} differ in mode, owner or time", a.display(), b.display());
        }
        if of_a.is_dir() {
            let below = walk(&a, &b, times)?;
            (files, bytes) = (files + below.0, bytes + below.1);
        } else {
            if fs::read(&a)? != fs::read(&b)? {
                bail!("{} and {} differ", a.display(), b.display());
            }
            (files, bytes) = (files + 1, bytes + of_a.len());
        }
    }
    Ok((files, bytes))
}

fn names(directory: &Path) -> anyhow::Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_difference_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for root in [&a, &b] {
            fs::create_dir_all(root.join("inner")).unwrap();
            fs::write(root.join("inner/file"), "content").unwrap();
        }
        assert_eq!(compare_content(&a, &b).unwrap(), (1, 7));
        let old = fs::File::options().write(true).open(a.join("inner/file")).unwrap();
        old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(compare(&a, &b).is_err(), "their times differ");
        fs::write(b.join("inner/file"), "c0ntent").unwrap();
        assert!(compare_content(&a, &b).is_err());
        fs::write(b.join("inner/file"), "content").unwrap();
        fs::write(b.join("more"), "").unwrap();
        assert!(compare_content(&a, &b).is_err());
    }
}
