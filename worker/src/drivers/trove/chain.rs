//! What a backup is built on, and what is built on it.
//!
//! Trove takes any backup as the parent of another. Ours is the newest one of the instance, if it is ours and still wanted: a
//! datastore may have thrown away since what links an older one with today (PostgreSQL's log files, `backup/drivers/postgres.py`),
//! and a backup of somebody else's could be deleted at any time, which would delete ours with it.

use stacksnap_openstack::trove::Backup;

use super::marks::Mark;

/// The backup to build the next one on, of all of an instance, the newest first, as Trove lists them. `None`: it is to be full,
/// for there is nothing to build on, or the chain is as long as it may get.
pub(super) fn parent(backups: &[Backup], full_every: u32) -> Option<(&Backup, Mark)> {
    let newest = backups.iter().find(|backup| backup.status == "COMPLETED")?;
    let mark = Mark::of(newest)?;
    (depth(backups, newest)? + 1 < full_every as usize).then_some((newest, mark))
}

/// How many backups it is built on. `None`: one of them is missing.
fn depth(backups: &[Backup], backup: &Backup) -> Option<usize> {
    let mut at = backup;
    for depth in 0..=backups.len() {
        let Some(parent) = &at.parent_id else { return Some(depth) };
        at = backups.iter().find(|backup| backup.id == *parent)?;
    }
    None
}

/// All that are built on it, at whatever depth.
pub(super) fn descendants<'a>(backups: &'a [Backup], id: &str) -> Vec<&'a Backup> {
    let (mut found, mut next): (Vec<&Backup>, Vec<&str>) = (Vec::new(), vec![id]);
    while let Some(id) = next.pop() {
        for child in backups.iter().filter(|backup| backup.parent_id.as_deref() == Some(id)) {
            if !found.iter().any(|known| known.id == child.id) {
                found.push(child);
                next.push(&child.id);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// The `n`th of an instance.
    fn backup(n: u32, status: &str, parent: Option<u32>, ours: bool) -> Backup {
        let (name, description) = match ours {
            true => (
                format!("stacksnap-01920000-0000-7000-8000-000000000001.1.{n}"),
                "made by stacksnap, which removes it: project p, stack s, snapshot \
                 6a9b1c8e-3c8b-4df0-9c0a-3d3d5a1c2b11, resource db"
                    .to_owned(),
            ),
            false => ("mine".to_owned(), String::new()),
        };
        serde_json::from_value(json!({
            "id": format!("b{n}"), "name": name, "description": description, "status": status,
            "parent_id": parent.map(|parent| format!("b{parent}")),
        }))
        .unwrap()
    }

    fn built_on(all: &[Backup], full_every: u32) -> Option<String> {
        parent(all, full_every).map(|(backup, _)| backup.id.clone())
    }

    #[test]
    fn every_so_many_is_full() {
        let mut all = Vec::new();
        let mut full = Vec::new();
        for n in 0..9 {
            let on = built_on(&all, 4).map(|id| id[1..].parse().unwrap());
            full.push(on.is_none());
            all.insert(0, backup(n, "COMPLETED", on, true));
        }
        assert_eq!(full, [true, false, false, false, true, false, false, false, true]);
        assert_eq!(built_on(&all, 1), None);
    }

    #[test]
    fn nothing_is_built_on_another_s_or_on_what_lacks_something() {
        let ours = backup(1, "COMPLETED", None, true);
        assert_eq!(built_on(&[backup(2, "FAILED", None, true), ours.clone()], 7).as_deref(), Some("b1"));
        assert_eq!(built_on(&[backup(2, "COMPLETED", None, false), ours.clone()], 7), None);
        assert_eq!(built_on(&[backup(2, "COMPLETED", Some(9), true), ours], 7), None);
    }

    #[test]
    fn a_ring_ends() {
        let ring = [backup(1, "COMPLETED", Some(2), true), backup(2, "COMPLETED", Some(1), true)];
        assert_eq!(built_on(&ring, 1000), None);
        assert_eq!(descendants(&ring, "b1").len(), 2);
    }
}
