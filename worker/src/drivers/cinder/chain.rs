//! What an incremental backup is built on. Cinder does not say and can't be told: it takes the backup of the volume whose
//! data is newest, whoever made it, if it is well; made from a snapshot, the newest that is older than that snapshot.
//! The same rule, looked at before a backup is made and after, tells which one it was.

use stacksnap_openstack::cinder::Backup;

use super::kept::Parent;
use crate::drivers::openstack::marks;

/// Whether the next backup is to be full: there is nothing well to build on, or the chain is as long as it may get.
pub(super) fn is_full(backups: &[Backup], full_every: u32) -> bool {
    let mut all: Vec<_> = backups.iter().filter(|backup| backup.status != "deleting").collect();
    all.sort_by_key(|backup| std::cmp::Reverse(rank(backup)));
    if all.first().is_none_or(|newest| newest.status != "available") {
        return true;
    }
    let chain = all.iter().take_while(|backup| backup.is_incremental).count() + 1;
    chain >= full_every as usize
}

/// What `backup` was built on, if it was.
pub(super) fn parent(backups: &[Backup], backup: &Backup) -> Option<Parent> {
    if !backup.is_incremental {
        return None;
    }
    let older = backups.iter().filter(|other| other.id != backup.id && rank(other) < rank(backup));
    // Cinder built it on one that was well; others may have come to nothing since.
    let parent = older.filter(|other| other.status != "error").max_by_key(|other| rank(other))?;
    Some(Parent { backup: parent.id.clone(), ours: marks::is_ours(&parent.metadata) })
}

/// Newer data is higher.
fn rank(backup: &Backup) -> (&str, &str, &str) {
    (&backup.data_timestamp, &backup.created_at, &backup.id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// The `n`th of a volume.
    fn backup(n: u32, status: &str, incremental: bool, ours: bool) -> Backup {
        let metadata = if ours { json!({marks::STEP: "x"}) } else { json!({}) };
        serde_json::from_value(json!({
            "id": format!("b{n}"), "status": status, "is_incremental": incremental, "metadata": metadata,
            "created_at": format!("2026-11-26T00:00:{n:02}.000000"),
            "data_timestamp": format!("2026-11-26T00:00:{n:02}.000000"),
        }))
        .unwrap()
    }

    #[test]
    fn every_so_many_is_full() {
        let mut all = Vec::new();
        let mut full = Vec::new();
        for n in 0..9 {
            full.push(is_full(&all, 4));
            all.push(backup(n, "available", !full[n as usize], true));
        }
        assert_eq!(full, [true, false, false, false, true, false, false, false, true]);
        assert!(is_full(&all, 1));
    }

    #[test]
    fn nothing_is_built_on_what_is_not_well() {
        let well = backup(1, "available", false, true);
        assert!(!is_full(&[backup(0, "error", false, true), well.clone()], 7));
        assert!(is_full(&[well.clone(), backup(2, "error", true, true)], 7));
        assert!(is_full(&[well.clone(), backup(2, "creating", true, true)], 7));
        assert!(!is_full(&[well, backup(2, "deleting", true, true)], 7));
    }

    #[test]
    fn the_parent_is_the_newest_older_one_whoever_made_it() {
        let all = [
            backup(0, "available", false, true),
            backup(1, "available", false, false),
            backup(2, "available", true, true),
            backup(3, "available", true, true),
        ];
        assert_eq!(parent(&all, &all[2]), Some(Parent { backup: "b1".to_owned(), ours: false }));
        assert_eq!(parent(&all, &all[3]), Some(Parent { backup: "b2".to_owned(), ours: true }));
        assert_eq!(parent(&all, &all[1]), None);
    }
}
