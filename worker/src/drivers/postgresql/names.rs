//! The names that a restore gives databases beside the one it restores. They carry the step's id, and they are all that
//! the next claim has to go by: 63 bytes is what PostgreSQL keeps of a name.

use stacksnap_common::ids::{OperationId, StepId};

/// What every name of ours begins with.
pub(super) const PREFIX: &str = "stacksnap_";

/// Databases that are the server's own: connections and `CREATE DATABASE` rely on them.
pub(super) const RESERVED: [&str; 3] = ["template0", "template1", "postgres"];

/// The longest name that the server keeps, in bytes.
pub(super) const LONGEST: usize = 63;

/// The names of one restoring step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// Where the dump is restored into.
    pub(super) side: String,
    /// How the database that was there is called after the swap, until it is dropped.
    pub(super) old: String,
    /// The comment that the side database has as soon as it is whole, and keeps through the swap.
    pub(super) mark: String,
}

impl Names {
    pub(super) fn of(step: StepId) -> Self {
        let base = format!("{PREFIX}{}_{}_{}", step.operation.0.simple(), step.stage, step.index);
        let mark = format!("stacksnap: restored whole by step {step}");
        Self { side: format!("{base}_new"), old: format!("{base}_old"), mark }
    }
}

/// The step whose restore made the database of this name, if one did.
pub(super) fn made_by(name: &str) -> Option<StepId> {
    let base = name.strip_prefix(PREFIX)?;
    let mut parts = base.strip_suffix("_new").or_else(|| base.strip_suffix("_old"))?.split('_');
    let operation = OperationId(uuid::Uuid::try_parse(parts.next()?).ok()?);
    let step = StepId { operation, stage: parts.next()?.parse().ok()?, index: parts.next()?.parse().ok()? };
    let names = Names::of(step);
    (name == names.side || name == names.old).then_some(step)
}

/// Whether `name` can be a database's that a project may have protected, and if not, why not.
pub(super) fn refused(name: &str, maintenance: &str) -> Option<String> {
    if name.is_empty() || name.len() > LONGEST || name.contains('\0') {
        return Some(format!("a database's name has 1 to {LONGEST} bytes"));
    }
    if RESERVED.contains(&name) || name == maintenance {
        return Some(format!("database {name:?} is the server's own: a restore could not replace it"));
    }
    name.starts_with(PREFIX).then(|| format!("database {name:?} is one that a restore of ours has made"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        let step: StepId = "01931f6e-7f6b-7bbb-8f7f-0123456789ab.65535.4294967295".parse().unwrap();
        let names = Names::of(step);
        assert_eq!((names.side.len(), names.old.len()), (63, 63));
        let other = Names::of(StepId { index: 4_294_967_294, ..step });
        assert_eq!((made_by(&names.side), made_by(&names.old)), (Some(step), Some(step)));
        assert_eq!(made_by(&format!("{}x", names.side)), None);
        assert_eq!(made_by("stacksnap_notes_new"), None);
        assert!(names.side != names.old && names.side != other.side && names.mark != other.mark);
    }

    #[test]
    fn the_servers_own_and_ours_are_refused() {
        for name in ["template0", "template1", "postgres", "admin", "", "stacksnap_x_new", &"x".repeat(64)] {
            assert!(refused(name, "admin").is_some(), "{name}");
        }
        assert_eq!(refused("we\"ird name'; --", "admin"), None);
    }
}
