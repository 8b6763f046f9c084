//! Names and texts as SQL writes them. Statements such as `ALTER DATABASE` take no parameters, so that these two are
//! all that stands between a database's name and the server.

/// An identifier, in double quotes.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text, in single quotes; right whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// The elements of a setting that is a list of identifiers, such as `search_path`, as literals: `"$user", public`
/// becomes `'$user', 'public'`. As one literal the whole list would be taken for one name.
pub(super) fn list(value: &str) -> String {
    let mut elements = Vec::new();
    let mut element = String::new();
    let mut chars = value.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                element.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => elements.push(std::mem::take(&mut element)),
            c if !quoted && c.is_whitespace() => {}
            c => element.push(c),
        }
    }
    elements.push(element);
    elements.iter().map(|element| literal(element)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_quotes() {
        assert_eq!(ident("we\"ird name'; --"), "\"we\"\"ird name'; --\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
    }

    #[test]
    fn lists_are_split_where_the_server_splits_them() {
        assert_eq!(list("\"$user\", public"), "'$user', 'public'");
        assert_eq!(list("\"a, \"\"b\", c"), "'a, \"b', 'c'");
        assert_eq!(list("\"\""), "''");
    }
}
