//! Chance, from the operating system.

use serde_json::Value;

/// Heat's lower-case base 32 (RFC 4648).
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The operating system gives no random bytes: nothing can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes: {0}")]
pub struct NoChance(String);

fn fill(bytes: &mut [u8]) -> Result<(), NoChance> {
    getrandom::fill(bytes).map_err(|error| NoChance(error.to_string()))
}

/// Twelve characters of 60 random bits, as Heat ends its physical names.
pub(super) fn short_id() -> Result<String, NoChance> {
    let mut bytes = [0; 12];
    fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)])).collect())
}

/// A number below `end`, each as likely as the others. `end` is not 0.
fn below(end: usize) -> Result<usize, NoChance> {
    let end = end as u64;
    // What would favour the small numbers is drawn again.
    let most = u64::MAX - u64::MAX % end;
    loop {
        let mut bytes = [0; 8];
        fill(&mut bytes)?;
        let drawn = u64::from_le_bytes(bytes);
        if drawn < most {
            return Ok((drawn % end) as usize);
        }
    }
}

/// Characters, and how many of them there are at least.
pub(super) struct Class {
    pub(super) characters: Vec<char>,
    pub(super) min: usize,
}

/// The characters of a class of Heat's.
pub(super) fn class(name: &str, min: usize) -> Class {
    let letters = || ('a'..='z').chain('A'..='Z');
    let characters = match name {
        "letters" => letters().collect(),
        "lowercase" => ('a'..='z').collect(),
        "uppercase" => ('A'..='Z').collect(),
        "digits" => ('0'..='9').collect(),
        "hexdigits" => ('0'..='9').chain('A'..='F').collect(),
        "octdigits" => ('0'..='7').collect(),
        _ => letters().chain('0'..='9').collect(),
    };
    Class { characters, min }
}

pub(super) fn sequence(characters: &str, min: usize) -> Class {
    let mut characters: Vec<_> = characters.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    Class { characters, min }
}

/// A text of `length` characters with at least as many of each class as it asks for, in random order.
pub(super) fn text(length: usize, classes: &[Class]) -> Result<String, NoChance> {
    let mut drawn = Vec::with_capacity(length);
    let mut all: Vec<char> = Vec::new();
    for class in classes.iter().filter(|class| !class.characters.is_empty()) {
        for _ in 0..class.min {
            drawn.push(class.characters[below(class.characters.len())?]);
        }
        all.extend(&class.characters);
    }
    all.sort_unstable();
    all.dedup();
    while drawn.len() < length && !all.is_empty() {
        drawn.push(all[below(all.len())?]);
    }
    for place in (1..drawn.len()).rev() {
        drawn.swap(place, below(place + 1)?);
    }
    drawn.truncate(length);
    Ok(drawn.into_iter().collect())
}

/// A count from a property.
pub(super) fn count(value: &Value) -> usize {
    value.as_u64().unwrap_or(1).try_into().unwrap_or(usize::MAX)
}
