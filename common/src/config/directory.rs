//! `directory_root`: below which paths `Stacksnap::Directory` may work, and for whom. Nothing is allowed by default.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::ids::ProjectId;

/// `PATH` for every project, `PROJECT=PATH` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRoot {
    /// None: every project.
    pub project: Option<ProjectId>,
    /// Absolute, without `.` and `..`.
    pub path: PathBuf,
}

impl DirectoryRoot {
    /// Whether `project` may name this root, or what is below it, in a template.
    pub fn allows(&self, project: &ProjectId, path: &Path) -> bool {
        self.project.as_ref().is_none_or(|owner| owner == project) && path.starts_with(&self.path)
    }
}

impl FromStr for DirectoryRoot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A path starts with a slash, a project id has none: the first `=` before any slash ends a project id.
        let (project, path) = match text.split_once('=') {
            Some((project, path)) if !project.contains('/') => {
                (Some(project.parse::<ProjectId>().map_err(|e| e.to_string())?), path)
            }
            _ => (None, text),
        };
        let path = Path::new(path);
        if !path.is_absolute() || path.components().any(|part| matches!(part, Component::ParentDir)) {
            return Err(format!("{text:?} is not [PROJECT=]PATH with an absolute PATH without \"..\""));
        }
        // Collecting the components drops doubled and trailing slashes.
        Ok(Self { project, path: path.components().collect() })
    }
}

impl<'de> Deserialize<'de> for DirectoryRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::value::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_root_is_for_all_or_for_one_project() {
        let root: DirectoryRoot = "/srv//data/".parse().unwrap();
        assert_eq!((root.project.clone(), root.path.to_str().unwrap()), (None, "/srv/data"));
        let alpha: DirectoryRoot = "alpha=/srv/a=b".parse().unwrap();
        assert_eq!(alpha.project.as_ref().unwrap().as_str(), "alpha");
        let (me, other) = ("alpha".parse().unwrap(), "beta".parse().unwrap());
        assert!(alpha.allows(&me, Path::new("/srv/a=b/c")) && !alpha.allows(&other, Path::new("/srv/a=b/c")));
        assert!(root.allows(&other, Path::new("/srv/data")) && !root.allows(&other, Path::new("/srv/data2")));
        assert_eq!("/a=b".parse::<DirectoryRoot>().unwrap().project, None);
    }

    #[test]
    fn what_is_no_absolute_path_is_refused() {
        for bad in ["", "srv", "alpha=srv", "/srv/../etc", "alpha=", "al pha=/srv", "=/srv"] {
            assert!(bad.parse::<DirectoryRoot>().is_err(), "{bad:?} was taken for a root");
        }
    }
}
