//! Putting the sources on top of each other.
//!
//! The default file is also the list of known keys: what a source names and the default file does not is unknown. Each
//! source is checked against it before it is merged, so that a message can say where a wrong key stands. Then all are
//! merged and read into [`Config`] at once, which has no defaults of its own: a key that the default file forgets fails
//! every start, and so every test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::{Config, DEFAULT, NOT_KEYS, postgresql};

const PREFIX: &str = "STACKSNAP_";

/// Why there is no configuration. One line for each finding; no values of secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("config file {path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("{}", .0.join("\n"))]
    Keys(Vec<String>),
    #[error("{}", .0.join("\n"))]
    Values(Vec<String>),
}

/// Where the configuration comes from, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`; else `STACKSNAP_CONFIG` from `environment`; else no file.
    pub file: Option<PathBuf>,
    /// The variables of the process; those that do not begin with `STACKSNAP_` are left alone.
    pub environment: Vec<(String, String)>,
    /// Keys and values of the flags that were given. A list's values are given one by one.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// The environment of this process. A variable of ours that is not UTF-8 is kept with replacement characters, and
    /// will be refused where they matter.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, String)>) -> Self {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Self { file, environment, flags }
    }

    fn file(&self) -> Option<PathBuf> {
        let variable = || {
            let (_, value) = self.environment.iter().find(|(name, _)| name == "STACKSNAP_CONFIG")?;
            (!value.is_empty()).then(|| PathBuf::from(value))
        };
        self.file.clone().or_else(variable)
    }
}

/// Reads, merges and checks all sources.
pub fn load(sources: &Sources) -> Result<Config, Error> {
    let known = parse(Path::new("config.default.toml"), DEFAULT)?;
    let mut layers = vec![known.clone()];
    let mut findings = Findings::default();
    if let Some(path) = sources.file() {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::File { path: path.clone(), reason: format!("can't be read: {error}") })?;
        let layer = parse(&path, &text)?;
        findings.walk(&known.values, &layer.values, "", &|_| format!("config file {}", path.display()), &str::to_owned);
        layers.push(layer);
    }
    let environment = Layer::of_pairs(
        &known,
        sources.environment.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX).filter(|_| !NOT_KEYS.contains(&name.as_str()))?;
            Some((key.to_lowercase().replace("__", "."), value.clone()))
        }),
    );
    findings.walk(&known.values, &environment.values, "", &|key| format!("variable {}", variable(key)), &variable);
    layers.push(environment);
    let flags = Layer::of_pairs(&known, sources.flags.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    findings.walk(&known.values, &flags.values, "", &|key| format!("flag --{}", key.replace('_', "-")), &str::to_owned);
    layers.push(flags);
    if !findings.errors.is_empty() {
        return Err(Error::Keys(findings.errors));
    }

    let builder = layers.into_iter().fold(config::Config::builder(), |builder, layer| builder.add_source(layer));
    let config: Config = builder
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| Error::Values(vec![findings.explain(error)]))?;
    match config.problems() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(Error::Values(problems)),
    }
}

/// The name of a key's variable.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

fn parse(path: &Path, text: &str) -> Result<Layer, Error> {
    let values = File::from_str(text, FileFormat::Toml).collect().map_err(|error| {
        // The parser's message shows the line over several lines of its own: its first and last say where and what.
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let reason = match lines.as_slice() {
            [first, .., last] => format!("{first}: {last}"),
            _ => text.clone(),
        };
        Error::File { path: path.to_owned(), reason }
    })?;
    Ok(Layer { values })
}

/// One source's keys and values, tables nested.
#[derive(Debug, Clone)]
struct Layer {
    values: Map<String, Value>,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.values.clone())
    }
}

impl Layer {
    /// From dotted keys and texts. A list is one text with commas, or several texts under one key.
    fn of_pairs(known: &Layer, pairs: impl Iterator<Item = (String, String)>) -> Self {
        let mut layer = Layer { values: Map::new() };
        for (key, text) in pairs {
            let path: Vec<&str> = key.split('.').collect();
            let Some((last, tables)) = path.split_last() else { continue };
            let mut table = &mut layer.values;
            for name in tables {
                let value =
                    table.entry((*name).to_owned()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
                if !matches!(value.kind, ValueKind::Table(_)) {
                    value.kind = ValueKind::Table(Map::new());
                }
                let ValueKind::Table(inner) = &mut value.kind else { unreachable!("made a table right above") };
                table = inner;
            }
            if is_list(&known.values, &path) {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let mut items: Vec<Value> = items.map(|item| Value::new(None, item)).collect();
                if let Some(Value { kind: ValueKind::Array(before), .. }) = table.get(*last) {
                    items.splice(0..0, before.iter().cloned());
                }
                table.insert((*last).to_owned(), Value::new(None, items));
            } else {
                table.insert((*last).to_owned(), Value::new(None, text));
            }
        }
        layer
    }
}

fn is_list(known: &Map<String, Value>, path: &[&str]) -> bool {
    match path {
        ["postgresql", _, "projects" | "databases"] => true,
        [key] => matches!(known.get(*key), Some(Value { kind: ValueKind::Array(_), .. })),
        [table, rest @ ..] => match known.get(*table) {
            Some(Value { kind: ValueKind::Table(inner), .. }) => is_list(inner, rest),
            _ => false,
        },
        [] => false,
    }
}

/// What was wrong with keys, and where each key was last set.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    origins: BTreeMap<String, String>,
}

impl Findings {
    /// Compares a source with the known keys. `origin` says where a key stands, `shown` how that source spells a key.
    fn walk(
        &mut self,
        known: &Map<String, Value>,
        given: &Map<String, Value>,
        above: &str,
        origin: &dyn Fn(&str) -> String,
        shown: &dyn Fn(&str) -> String,
    ) {
        let mut given: Vec<_> = given.iter().collect();
        given.sort_by_key(|(key, _)| *key);
        for (key, value) in given {
            let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
            // Below `postgresql` stand names that the operator chose.
            let connection = (above == "postgresql").then(connection_keys);
            match (connection.as_ref().or(known.get(key)).map(|value| &value.kind), &value.kind) {
                (Some(ValueKind::Table(known)), ValueKind::Table(inner)) => {
                    self.walk(known, inner, &path, origin, shown);
                }
                (Some(ValueKind::Table(_)), _) => {
                    self.errors.push(format!("{}: {path} is a table of keys, not a value", origin(&path)));
                }
                (Some(ValueKind::I64(_)), ValueKind::Float(_) | ValueKind::Boolean(_)) => {
                    self.errors.push(format!("{}: {path} takes a whole number", origin(&path)));
                }
                (Some(_), ValueKind::Table(_)) => {
                    self.errors.push(format!("{}: {path} takes a value, not a table of keys", origin(&path)));
                }
                (Some(_), _) => {
                    self.origins.insert(path.clone(), origin(&path));
                }
                (None, _) => {
                    let hint =
                        nearest(&path).map_or_else(String::new, |near| format!("; did you mean {}?", shown(&near)));
                    self.errors.push(format!("{}: unknown key {}{hint}", origin(&path), shown(&path)));
                }
            }
        }
    }

    /// A value that could not be read, in one line with its key and where it stands.
    fn explain(&self, error: config::ConfigError) -> String {
        use config::ConfigError::{At, Type};
        let (key, reason) = match error {
            Type { unexpected, expected, key, .. } => (key, format!("is {unexpected}, not {expected}")),
            At { error, key, .. } => (key, error.to_string()),
            other => return other.to_string(),
        };
        let key = key.unwrap_or_default();
        // A list's element is named `key[3]`.
        let plain = key.split('[').next().unwrap_or_default();
        match self.origins.get(plain) {
            Some(origin) => format!("{origin}: {key}: {reason}"),
            None => format!("{key}: {reason}"),
        }
    }
}

/// The known keys of a table `[postgresql.NAME]`.
fn connection_keys() -> Value {
    let keys = postgresql::KEYS.iter().map(|key| ((*key).to_owned(), Value::new(None, "")));
    Value::new(None, keys.collect::<Map<String, Value>>())
}

/// The known key that is most like this one, if one is like it at all: few letters differ, or only the table does.
fn nearest(path: &str) -> Option<String> {
    let mut keys = Vec::new();
    if let Some((connection, _)) = path.rsplit_once('.').filter(|(above, _)| above.starts_with("postgresql.")) {
        keys.extend(postgresql::KEYS.iter().map(|key| format!("{connection}.{key}")));
    }
    let known = File::from_str(DEFAULT, FileFormat::Toml).collect().ok()?;
    leaves(&known, "", &mut keys);
    let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let far = |key: &str| distance(path, key).min(distance(&name(path), &name(key)) + 1);
    let (far, key) = keys.into_iter().map(|key| (far(&key), key)).min()?;
    (far <= 2.max(name(path).chars().count() / 3)).then_some(key)
}

fn leaves(table: &Map<String, Value>, above: &str, into: &mut Vec<String>) {
    for (key, value) in table {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match &value.kind {
            ValueKind::Table(inner) => leaves(inner, &path, into),
            _ => into.push(path),
        }
    }
}

/// Levenshtein's: how many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
