//! An entry of a tree as restic writes it down, and back.
//!
//! Names are escaped by restic's rule (rustic does it for any bytes); link targets that are no text lie beside as bytes;
//! modes are those of Go's `os.FileMode` (<https://pkg.go.dev/io/fs#FileMode>), which is what restic expects.
//!
//! What the format has no place for: times before the year 0 or after 9999, and names of extended attributes that are no
//! text. The nearest time is kept, the attribute is not, and a warning says so.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType};
use serde_json::json;

use super::Error;
use super::tree::{Entry, Kind, Meta};

const GO_DIR: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_DEVICE: u32 = 1 << 26;
const GO_FIFO: u32 = 1 << 25;
const GO_SOCKET: u32 = 1 << 24;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_CHAR: u32 = 1 << 21;
const GO_STICKY: u32 = 1 << 20;

/// 0000-01-02T00:00:00Z and 9999-12-30T22:00:00Z, in nanoseconds: no time zone's offset takes them out of the four
/// digits that a year has in the format.
const EARLIEST: i128 = -62_167_132_800_000_000_000;
const LATEST: i128 = 253_402_207_200_000_000_000;

fn to_time(nanoseconds: i128) -> Result<Timestamp, Error> {
    Timestamp::from_nanosecond(nanoseconds.clamp(EARLIEST, LATEST))
        .map_err(|error| Error::Internal(format!("a time: {error}")))
}

fn to_mode(kind: &Kind, mode: u32) -> u32 {
    let mut go = mode & 0o777;
    go |= match kind {
        Kind::File => 0,
        Kind::Directory => GO_DIR,
        Kind::Symlink(_) => GO_SYMLINK,
        Kind::Fifo => GO_FIFO,
        Kind::Socket => GO_SOCKET,
        Kind::BlockDevice(_) => GO_DEVICE,
        Kind::CharDevice(_) => GO_DEVICE | GO_CHAR,
    };
    for (bit, flag) in [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)] {
        if mode & bit != 0 {
            go |= flag;
        }
    }
    go
}

fn from_mode(go: u32) -> u32 {
    let mut mode = go & 0o777;
    for (bit, flag) in [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)] {
        if go & flag != 0 {
            mode |= bit;
        }
    }
    mode
}

/// The node of `entry` under `name`, without content. `warn` gets what could not be kept.
pub(super) fn to_node(name: &[u8], entry: &Entry, mut warn: impl FnMut(String)) -> Result<Node, Error> {
    let Meta { mode, uid, gid, mtime, ctime, size, inode, device, links, ref xattrs } = entry.meta;
    let kind = match &entry.kind {
        Kind::File => NodeType::File,
        Kind::Directory => NodeType::Dir,
        Kind::Symlink(target) => NodeType::from_link(Path::new(OsStr::from_bytes(target))),
        Kind::Fifo => NodeType::Fifo,
        Kind::Socket => NodeType::Socket,
        Kind::CharDevice(device) => NodeType::Chardev { device: *device },
        Kind::BlockDevice(device) => NodeType::Dev { device: *device },
    };
    if mtime != mtime.clamp(EARLIEST, LATEST) {
        warn("its modification time is outside of the years 0 to 9999; the nearest one is kept".to_owned());
    }
    let mtime = to_time(mtime)?;
    let mut extended_attributes = Vec::with_capacity(xattrs.len());
    for (name, value) in xattrs {
        match std::str::from_utf8(name) {
            // rustic does not give its type a name to the outside; the form is the repository's.
            Ok(name) => extended_attributes.push(
                serde_json::from_value(json!({ "name": name, "value": base64(value) }))
                    .map_err(|error| Error::Internal(format!("an extended attribute: {error}")))?,
            ),
            Err(_) => warn(format!("the extended attribute {} is not kept: its name is no text", name.escape_ascii())),
        }
    }
    let meta = Metadata {
        mode: Some(to_mode(&entry.kind, mode)),
        mtime: Some(mtime),
        // restic sets it at a restore; without one it would set nonsense.
        atime: Some(mtime),
        ctime: Some(to_time(ctime)?),
        uid: Some(uid),
        gid: Some(gid),
        user: None,
        group: None,
        inode,
        device_id: device,
        size: if entry.kind == Kind::File { size } else { 0 },
        links,
        extended_attributes,
    };
    Ok(Node::new_node(OsStr::from_bytes(name), kind, meta))
}

/// The entry of `node`, at `path`.
pub(super) fn from_node(node: &Node, path: Vec<Vec<u8>>) -> Entry {
    let kind = match &node.node_type {
        NodeType::File => Kind::File,
        NodeType::Dir => Kind::Directory,
        NodeType::Symlink { .. } => Kind::Symlink(node.node_type.to_link().as_os_str().as_bytes().to_vec()),
        NodeType::Fifo => Kind::Fifo,
        NodeType::Socket => Kind::Socket,
        NodeType::Chardev { device } => Kind::CharDevice(*device),
        NodeType::Dev { device } => Kind::BlockDevice(*device),
    };
    let nanoseconds = |time: Option<Timestamp>| time.map_or(0, Timestamp::as_nanosecond);
    let size = match &kind {
        Kind::Symlink(target) => target.len() as u64,
        _ => node.meta.size,
    };
    let xattrs = node
        .meta
        .extended_attributes
        .iter()
        .map(|xattr| (xattr.name.as_bytes().to_vec(), xattr.value.clone().unwrap_or_default()))
        .collect();
    let meta = Meta {
        mode: from_mode(node.meta.mode.unwrap_or(0)),
        uid: node.meta.uid.unwrap_or(0),
        gid: node.meta.gid.unwrap_or(0),
        mtime: nanoseconds(node.meta.mtime),
        ctime: nanoseconds(node.meta.ctime),
        size,
        inode: node.meta.inode,
        device: node.meta.device_id,
        links: node.meta.links,
        xattrs,
    };
    Entry { path, kind, meta }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            text.push(if at <= group.len() { DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::File),
            Just(Kind::Directory),
            prop::collection::vec(1_u8.., 1..300).prop_map(Kind::Symlink),
            Just(Kind::Fifo),
            Just(Kind::Socket),
            any::<u64>().prop_map(Kind::CharDevice),
            any::<u64>().prop_map(Kind::BlockDevice),
        ]
    }

    fn meta() -> impl Strategy<Value = Meta> {
        let numbers = (0..0o10000_u32, any::<u32>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>());
        let times = (EARLIEST..=LATEST, EARLIEST..=LATEST);
        let xattrs =
            prop::collection::btree_map("[a-z]{1,9}\\.\\PC{1,20}", prop::collection::vec(any::<u8>(), 0..99), 0..4);
        (numbers, times, 0..3_u64, xattrs).prop_map(
            |((mode, uid, gid, size, inode, device), (mtime, ctime), links, xattrs)| {
                let xattrs = xattrs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
                Meta { mode, uid, gid, mtime, ctime, size, inode, device, links, xattrs }
            },
        )
    }

    proptest! {
        /// Through the text that lies in the repository, any name, target, time, mode and attribute comes back.
        #[test]
        fn an_entry_survives(name in prop::collection::vec(any::<u8>(), 1..64), kind in kind(), mut meta in meta()) {
            let name: Vec<u8> = name.into_iter().map(|byte| if matches!(byte, 0 | b'/') { b'\\' } else { byte }).collect();
            meta.size = match &kind {
                Kind::File => meta.size,
                Kind::Symlink(target) => target.len() as u64,
                _ => 0,
            };
            let entry = Entry { path: vec![name.clone()], kind, meta };
            let node = to_node(&name, &entry, |warning| panic!("{warning}")).unwrap();
            let text = serde_json::to_string(&node).unwrap();
            let node: Node = serde_json::from_str(&text).unwrap();
            let back = node.name();
            prop_assert_eq!(back.as_bytes(), &name[..]);
            prop_assert_eq!(from_node(&node, entry.path.clone()), entry);
        }
    }

    #[test]
    fn what_has_no_place_is_named() {
        let mut warnings = Vec::new();
        let mut meta = Meta { mtime: i128::from(i64::MAX) * 1_000_000_000, ..Meta::default() };
        meta.xattrs = vec![(b"user.\xff".to_vec(), b"x".to_vec()), (b"user.ok".to_vec(), b"y".to_vec())];
        let entry = Entry { path: vec![], kind: Kind::File, meta };
        let node = to_node(b"n", &entry, |warning| warnings.push(warning)).unwrap();
        assert_eq!(warnings.len(), 2);
        let back = from_node(&node, vec![]);
        assert_eq!((back.meta.mtime, &back.meta.xattrs[..]), (LATEST, &[(b"user.ok".to_vec(), b"y".to_vec())][..]));
    }

    #[test]
    fn modes_are_gos() {
        for (kind, mode, go) in [
            (Kind::File, 0o4755, 0o755 | 1 << 23),
            (Kind::Directory, 0o1777, 0o777 | 1 << 31 | 1 << 20),
            (Kind::CharDevice(1), 0o600, 0o600 | 1 << 26 | 1 << 21),
        ] {
            assert_eq!(to_mode(&kind, mode), go);
            assert_eq!(from_mode(go), mode);
        }
    }
}
