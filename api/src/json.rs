//! What is wrong with a text that should be JSON, in the words of Python's decoder, which Heat passes on to its callers
//! (`json/decoder.py`). Where Python has no words for it, those of ours.

use serde_json::{Map, Value};

/// One JSON object; of keys that come twice the last wins.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| undecodable(bytes, &error))?;
    serde_json::from_str(text).map_err(|error| unreadable(text, &error))
}

fn undecodable(bytes: &[u8], error: &std::str::Utf8Error) -> String {
    let at = error.valid_up_to();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let why = match error.error_len() {
        None => "unexpected end of data",
        // What can't begin a character, and what can but does not go on.
        Some(1) if matches!(byte, 0x80..=0xc1 | 0xf5..) => "invalid start byte",
        Some(_) => "invalid continuation byte",
    };
    let last = at + error.error_len().unwrap_or(bytes.len() - at) - 1;
    match last == at {
        true => format!("'utf-8' codec can't decode byte {byte:#04x} in position {at}: {why}"),
        false => format!("'utf-8' codec can't decode bytes in position {at}-{last}: {why}"),
    }
}

fn unreadable(text: &str, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = if said.starts_with("trailing characters") {
        "Extra data"
    } else if said.starts_with("expected value") || said.starts_with("expected ident") {
        "Expecting value"
    } else if said.starts_with("key must be a string") {
        "Expecting property name enclosed in double quotes"
    } else if said.starts_with("expected `:`") {
        "Expecting ':' delimiter"
    } else if said.starts_with("expected `,` or") {
        "Expecting ',' delimiter"
    } else {
        return format!("The body is not valid JSON: {said}");
    };
    // Ours counts a column in bytes, Python in characters.
    let (line, column) = (error.line(), error.column().max(1));
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = (before..=before + column - 1).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (characters, column) = (text[..at].chars().count(), text[before..at].chars().count() + 1);
    format!("{what}: line {line} column {column} (char {characters})")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What `json.loads` of Python 3.12 says of the same bytes.
    #[test]
    fn errors_are_pythons() {
        for (bytes, said) in [
            (&b"{\"name\": \"x\"} x"[..], "Extra data: line 1 column 15 (char 14)"),
            (b"{\"name\": }", "Expecting value: line 1 column 10 (char 9)"),
            (b"{'a': 1}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            (b"{\"a\" 1}", "Expecting ':' delimiter: line 1 column 6 (char 5)"),
            (b"{\"a\": 1 \"b\": 2}", "Expecting ',' delimiter: line 1 column 9 (char 8)"),
            (b"{\"a\": 1,\n \"b\": x}", "Expecting value: line 2 column 7 (char 15)"),
            ("{\"é\": x}".as_bytes(), "Expecting value: line 1 column 7 (char 6)"),
            (b"{\"name\": \"\xff\"}", "'utf-8' codec can't decode byte 0xff in position 10: invalid start byte"),
            (b"{\"name\": \"\xc3\"}", "'utf-8' codec can't decode byte 0xc3 in position 10: invalid continuation byte"),
            (b"{\"name\": \"\xe2\x82", "'utf-8' codec can't decode bytes in position 10-11: unexpected end of data"),
            (b"{\"name\": \"\xe2", "'utf-8' codec can't decode byte 0xe2 in position 10: unexpected end of data"),
        ] {
            assert_eq!(object(bytes).unwrap_err(), said);
        }
        assert!(object(b"{").unwrap_err().starts_with("The body is not valid JSON: "));
    }
}
