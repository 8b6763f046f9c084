//! Temporary names: what a restore makes beside the entry that it is for, until a rename puts it in its place.
//!
//! `.stacksnap-restore.<step>.<fence>.<number>`: a name says which run of which step made it, so two selves of one step
//! never take each other's; and since a step may be run twice under one fence, the numbers begin anywhere. A walk knows
//! such names by their form; a later restore removes what an earlier one left.

use stacksnap_common::ids::StepId;

const PREFIX: &str = ".stacksnap-restore.";

/// Makes temporary names for one run of one step.
#[derive(Debug, Clone)]
pub(crate) struct Temporary {
    prefix: String,
}

impl Temporary {
    pub(crate) fn new(step: StepId, fence: u64) -> Self {
        Self { prefix: format!("{PREFIX}{step}.{fence}.") }
    }

    pub(crate) fn name(&self, number: u64) -> Vec<u8> {
        format!("{}{number}", self.prefix).into_bytes()
    }
}

/// Where the numbers of one run begin: 40 random bits, with room for 16 million names after it.
pub(crate) fn first_number() -> u64 {
    (uuid::Uuid::new_v4().as_u64_pair().1 & ((1 << 40) - 1)) << 24
}

/// Whether a name is one of these.
pub(crate) fn is_one(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX.as_bytes()) else { return false };
    let Ok(text) = std::str::from_utf8(rest) else { return false };
    let mut parts = text.rsplitn(3, '.');
    let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u64>().is_ok());
    number(parts.next()) && number(parts.next()) && parts.next().is_some_and(|step| step.parse::<StepId>().is_ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use stacksnap_common::ids::OperationId;

    use super::*;

    #[test]
    fn only_names_of_this_form() {
        let step = StepId { operation: OperationId::next(), stage: 3, index: 12 };
        let name = Temporary::new(step, 7).name(99);
        assert!(is_one(&name));
        assert!(name.len() < 128);
        for other in
            [&b".stacksnap-restore."[..], b".stacksnap-restore.a.1.2", b"a", &name[1..], &[&name[..], b"x"].concat()]
        {
            assert!(!is_one(other), "{}", String::from_utf8_lossy(other));
        }
    }
}
