//! Objects' names as names in a tree of the vault, and back.
//!
//! A tree's names hold no slash and are sorted by their bytes, and an object's name holds slashes and is listed in the
//! order of its bytes. So `.` stands as `.0` and `/`, its next, as `.1`: no name is lost, none leads out, and the order
//! stays what it was.
//!
//! A directory of a tree is held in memory as a whole, so objects are put into *groups* of some hundred. Where a group
//! begins is settled by the name of its first object alone ([`begins_group`]), and the group is called after it: what
//! is added or removed elsewhere moves no object to another group, and the vault finds it where it was.

/// Of so many names one begins a group.
const GROUP: u32 = 256;
/// The group of what comes before the first name that begins one. Every other group's name begins with [`LATER`].
pub(super) const FIRST_GROUP: &[u8] = b"0";
const LATER: u8 = b'1';

pub(super) fn encode(name: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            b'.' => encoded.extend_from_slice(b".0"),
            b'/' => encoded.extend_from_slice(b".1"),
            byte => encoded.push(byte),
        }
    }
    encoded
}

/// `None`: it is no name that was made here.
pub(super) fn decode(encoded: &[u8]) -> Option<String> {
    let mut name = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        name.push(match byte {
            b'.' => match rest.next()? {
                b'0' => b'.',
                b'1' => b'/',
                _ => return None,
            },
            byte => *byte,
        });
    }
    String::from_utf8(name).ok()
}

pub(super) fn begins_group(name: &str) -> bool {
    // FNV-1a, 32 bits: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % GROUP == 0
}

/// The name of the group that begins with this object.
pub(super) fn group(first: &str) -> Vec<u8> {
    let mut group = vec![LATER];
    group.extend(encode(first));
    group
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_comes_back_and_keeps_its_place(one in "[./0a\u{1}ü]{1,9}", other in "[./0a\u{1}ü]{1,9}") {
            let (in_tree, others) = (encode(&one), encode(&other));
            prop_assert_eq!(decode(&in_tree), Some(one.clone()));
            prop_assert!(!in_tree.contains(&b'/') && in_tree != b"." && in_tree != b"..");
            prop_assert_eq!(one.as_bytes().cmp(other.as_bytes()), in_tree.cmp(&others));
            prop_assert!(group(&one).as_slice() > FIRST_GROUP);
        }
    }

    #[test]
    fn groups_have_some_hundred_names() {
        let begun = (0..100_000).filter(|number| begins_group(&format!("logs/2026/{number}"))).count();
        assert!((300..500).contains(&begun), "{begun}");
        assert_eq!(decode(b"a.2"), None);
        assert_eq!(decode(b"a."), None);
    }
}
