//! Paths inside a tree: lists of names, compared and shown.
//!
//! A name is any bytes but `/` and NUL, so paths are never made into text on the way; only people get text, with what
//! is not plain written as `\xNN`. The order of two paths is the order of a depth-first walk with sorted siblings:
//! comparing name by name, which is what comparing the lists does.

use std::fmt::Write as _;

/// A path inside a tree, from its root down; empty for the root itself.
pub(crate) type Path = [Vec<u8>];

/// The path as one line of plain text, without loss: `a/b`, `caf\xe9`, `two\x0alines`; `.` for the root.
pub(crate) fn show(path: &Path) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let mut text = String::new();
    for (at, name) in path.iter().enumerate() {
        if at > 0 {
            text.push('/');
        }
        show_name(&mut text, name);
    }
    text
}

fn show_name(text: &mut String, name: &[u8]) {
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() || char == '\\' {
                let mut utf8 = [0; 4];
                for byte in char.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            } else {
                text.push(char);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// The path that [`show`] wrote; `None` if it did not.
pub(crate) fn shown(text: &str) -> Option<Vec<Vec<u8>>> {
    if text == "." {
        return Some(Vec::new());
    }
    let mut path = vec![Vec::new()];
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, path.last_mut()) {
            (b'/', _) => path.push(Vec::new()),
            (b'\\', Some(name)) => {
                let digits = rest.strip_prefix(b"x")?.get(..2)?;
                name.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = &rest[3..];
            }
            (byte, Some(name)) => name.push(byte),
            (_, None) => return None,
        }
    }
    path.iter().all(|name| !name.is_empty()).then_some(path)
}

/// The path as the bytes that the kernel takes: names joined by `/`.
pub(crate) fn join(path: &Path) -> Vec<u8> {
    path.join(&b'/')
}

/// The reverse of [`join`].
pub(crate) fn split(path: &[u8]) -> Vec<Vec<u8>> {
    if path.is_empty() { Vec::new() } else { path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect() }
}

/// A path with one name more.
pub(crate) fn child(parent: &Path, name: &[u8]) -> Vec<Vec<u8>> {
    let mut path = Vec::with_capacity(parent.len() + 1);
    path.extend_from_slice(parent);
    path.push(name.to_vec());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &[&[u8]]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.to_vec()).collect()
    }

    #[test]
    fn text_is_one_plain_line() {
        assert_eq!(show(&[]), ".");
        assert_eq!(show(&path(&[b"a", "ü b".as_bytes()])), "a/ü b");
        assert_eq!(show(&path(&[b"a\nb", b"caf\xe9", b"c\\d"])), "a\\x0ab/caf\\xe9/c\\x5cd");
    }

    #[test]
    fn text_is_read_back_without_loss() {
        for names in [vec![], path(&[b"a", b"."]), path(&[&(1..=255).filter(|&b| b != b'/').collect::<Vec<u8>>()])] {
            assert_eq!(shown(&show(&names)).as_ref(), Some(&names));
        }
        for wrong in ["", "a//b", "a\\", "a\\x1", "a\\xzz", "/a"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lists_order_as_a_walk_does() {
        // A plain comparison of the joined texts would put `a!` (0x21) before `a/b` (0x2f).
        assert!(path(&[b"a", b"b"]) < path(&[b"a!"]));
        assert!(path(&[b"a"]) < path(&[b"a", b"b"]));
        assert!(path(&[]) < path(&[b"a"]));
        assert_eq!(split(&join(&path(&[b"a", b"b"]))), path(&[b"a", b"b"]));
        assert!(split(b"").is_empty());
    }
}
