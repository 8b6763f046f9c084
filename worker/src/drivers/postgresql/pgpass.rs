//! libpq's password file: lines of `host:port:database:user:password`, the first that matches counts; `*` matches all,
//! `\:` is a colon, `\\` a backslash (PostgreSQL's manual, "The Password File").

/// The password for this session, if a line matches. For a server on a socket `host` is `localhost`.
pub(super) fn find(text: &str, host: &str, port: u16, database: &str, user: &str) -> Option<String> {
    let port = port.to_string();
    let wanted = [host, &port, database, user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for value in wanted {
            let (field, after) = split(rest)?;
            if field != "*" && unescape(field) != value {
                return None;
            }
            rest = after;
        }
        Some(unescape(split(rest).map_or(rest, |(password, _)| password)))
    })
}

/// The text up to the first colon that no backslash hides, and what is behind it.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut hidden = false;
    for (at, c) in text.char_indices() {
        match c {
            ':' if !hidden => return Some((&text[..at], &text[at + 1..])),
            '\\' => hidden = !hidden,
            _ => hidden = false,
        }
    }
    None
}

fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_line_that_matches_counts() {
        let text = "# note\nother:5432:*:u:no\ndb:5432:shop:u:first\ndb:*:*:u:sec\\:o\\\\nd\nbroken";
        assert_eq!(find(text, "db", 5432, "shop", "u").as_deref(), Some("first"));
        assert_eq!(find(text, "db", 5433, "a:b", "u").as_deref(), Some("sec:o\\nd"));
        assert_eq!(find(text, "db", 5432, "shop", "v"), None);
    }

    #[test]
    fn names_with_colons_match_when_escaped() {
        assert_eq!(find("h:1:a\\:b:u:p", "h", 1, "a:b", "u").as_deref(), Some("p"));
        assert_eq!(find("h:1:a:b:u:p", "h", 1, "a:b", "u"), None);
    }
}
