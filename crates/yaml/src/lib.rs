//! Reads YAML that people write: values with their places, and mistakes in words for the person who wrote the
//! file.
//!
//! To explain another mistake: `mistake`, from an error of the YAML library; for a habit of one file, `habit` in its
//! [`Format`]. To let numbers or truth values be read otherwise: [`Node`] keeps every scalar as it is written, and
//! its readers decide.

mod mistake;
mod nearest;

use std::fmt;

use quill_admin_contract::invisible::invisible;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error as YamlError, Location, Options, Spanned};

pub use mistake::{Mistake, Place};
pub use nearest::nearest;

/// Largest number of values, including those that aliases repeat.
const VALUES: usize = 20_000;

/// The limits and the messages for one kind of file.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Largest depth of nested values.
    pub depth: usize,
    /// The limit in words, which complete "there is more in the file than …".
    pub enough: &'static str,
    /// Finds a typical mistake of this kind of file, where the text is not YAML.
    pub habit: fn(&str) -> Option<Mistake>,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A file that was read: its text, and its values.
#[derive(Debug)]
pub struct Document {
    /// The text, without a byte order mark.
    pub text: String,
    /// The top value.
    pub top: Node,
    /// The byte at which each line begins.
    lines: Vec<usize>,
}

impl Document {
    /// The place of the character that begins at a byte of the text.
    #[must_use]
    pub fn place(&self, byte: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = line.checked_sub(1).map_or(0, |index| self.lines[index]);
        let column = self.text.get(start..byte).map_or(0, |before| before.chars().count());
        Place { line: line as u64, column: column as u64 + 1 }
    }
}

/// A value and its place.
#[derive(Debug)]
pub struct Node {
    /// The place of the value; for an alias, the place where it is used.
    pub place: Place,
    /// The value itself.
    pub value: Value,
    /// The bytes of the file that hold the value; for an alias, those at its anchor.
    pub span: Option<(usize, usize)>,
}

/// The kinds of values.
#[derive(Debug)]
pub enum Value {
    /// A key without a value.
    Nothing,
    /// Any scalar, as it is written.
    Text(String),
    /// A list of items.
    List(Vec<Node>),
    /// Keys with their values, in the order of the file, including duplicate keys.
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// A description of the value, in words that complete "…, not …".
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Text(text) => format!("\"{}\"", text.escape_debug()),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "keys with values".to_owned(),
        }
    }
}

/// Reads a file's content.
///
/// # Errors
///
/// All mistakes, in the order of the lines: at least one [`Mistake`].
pub fn read(bytes: &[u8], format: &Format) -> Result<Document, Vec<Mistake>> {
    let text = decode(bytes)?;
    let options: Options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: format.depth,
            max_nodes: VALUES,
            max_events: 4 * VALUES,
            max_recorded_anchor_events: 4 * VALUES,
        },
        // Scalars that look like numbers are texts here.
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        // The caller, who knows the meaning of the keys, reports duplicates with both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: VALUES,
        },
    };
    let mut top = serde_saphyr::from_str_with_options::<Node>(text, options)
        .map_err(|error| vec![mistake(error.without_snippet(), text, format)])?;
    top.spell(text);
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(byte, _)| byte + 1)).collect();
    Ok(Document { text: text.to_owned(), top, lines })
}

/// Decodes UTF-8, with or without a byte order mark, and refuses characters that cannot be seen. Comments may
/// hold any character, since they are not read.
fn decode(bytes: &[u8]) -> Result<&str, Vec<Mistake>> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(vec![Mistake::new(Place::START, "the file is UTF-16; save it as UTF-8")]);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.split('\n').count() as u64;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
            return Err(vec![Mistake::new(Place { line, column }, "not UTF-8; save the file as UTF-8")]);
        }
    };
    let mut mistakes = Vec::new();
    for (line, written) in (1..).zip(text.split('\n')) {
        let written = written.strip_suffix('\r').unwrap_or(written);
        if written.trim_start_matches([' ', '\t']).starts_with('#') {
            continue;
        }
        for (column, c) in (1..).zip(written.chars()) {
            if let Some(name) = invisible(c).filter(|_| c != '\t') {
                let what =
                    format!("a character that is not seen: {name} (U+{:04X}); remove it", u32::from(c));
                mistakes.push(Mistake::new(Place { line, column }, what));
            }
        }
    }
    if mistakes.is_empty() { Ok(text) } else { Err(mistakes) }
}

/// An error of the YAML library, in words for the person who wrote the file.
fn mistake(error: &YamlError, text: &str, format: &Format) -> Mistake {
    let too_deep = || format!("values stand in each other more than {} levels deep", format.depth);
    let place = error.location().map_or(Place::START, Place::from);
    let what = match error {
        YamlError::AliasError { error, .. } => return Mistake { place, ..mistake(error, text, format) },
        YamlError::MultipleDocuments { .. } => {
            "a second document begins here (after ---); everything has to stand in one".to_owned()
        }
        YamlError::Eof { .. } => "the file ends too early".to_owned(),
        YamlError::UnknownAnchor { .. } => "this alias (*) has no anchor (&) before it".to_owned(),
        YamlError::RecursiveReferencesRequireWeakTypes { .. } => {
            "this alias (*) stands inside of its own anchor (&)".to_owned()
        }
        YamlError::MergeValueNotMapOrSeqOfMaps { .. } => {
            "\"<<\" takes an alias (*) of keys with values, or a list of such".to_owned()
        }
        YamlError::Budget { breach: BudgetBreach::Depth { .. }, .. } => too_deep(),
        YamlError::Budget { .. }
        | YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => {
            format!("there is more in the file than {}: far too many values or aliases", format.enough)
        }
        other => {
            if let Some(place) = leading_tab(text) {
                return Mistake::new(place, "a tab in front of a line; indent with spaces");
            }
            if let Some(habit) = (format.habit)(text) {
                return habit;
            }
            let message = message_only(other);
            if message == "recursion limit exceeded" {
                too_deep()
            } else if message.starts_with("mapping values are not allowed") {
                "a colon where no key can stand; a text with a colon and a space in it has to stand in quotes"
                    .to_owned()
            } else {
                format!("not valid YAML: {message}")
            }
        }
    };
    Mistake::new(place, what)
}

/// The first tab that indents a line.
fn leading_tab(text: &str) -> Option<Place> {
    (1..).zip(text.lines()).find_map(|(line, written)| {
        let indent = written.len() - written.trim_start().len();
        let tab = written[..indent].find('\t')?;
        Some(Place { line, column: tab as u64 + 1 })
    })
}

/// The message without the place, which is shown before it.
fn message_only(error: &YamlError) -> String {
    let text = match error {
        YamlError::ExternalMessage { msg, .. } | YamlError::Message { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    let first = text.lines().next().unwrap_or_default();
    first.split(" at line ").next().unwrap_or(first).trim_end_matches('.').to_owned()
}

impl Node {
    /// The value as it is written, where that is known: `"yes"` with its quotes, a folded text with its `>`.
    #[must_use]
    pub fn written<'a>(&self, source: &'a str) -> Option<&'a str> {
        let (start, length) = self.span?;
        source.get(start..start.checked_add(length)?)
    }

    /// Replaces numbers and truth values by their spelling: `max: 010` is not `10`.
    fn spell(&mut self, source: &str) {
        let written = self.written(source);
        match &mut self.value {
            Value::Nothing => {}
            Value::Text(text) => {
                // A text may be quoted or folded; then the reader's value is right.
                let number = text.parse::<f64>().is_ok() || ["true", "false"].contains(&text.as_str());
                if let Some(written) = written.filter(|written| number && !written.contains(['"', '\'', ' ']))
                {
                    written.trim().clone_into(text);
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| item.spell(source)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    key.spell(source);
                    value.spell(source);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<Value>::deserialize(deserializer)?;
        let span = defined.span();
        let span = span.byte_offset().zip(span.byte_len());
        let span = span.and_then(|(start, length)| Some((start.try_into().ok()?, length.try_into().ok()?)));
        Ok(Self { place: referenced.into(), value, span })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

macro_rules! scalars {
    ($($method:ident: $type:ty),+) => {
        $(fn $method<E>(self, value: $type) -> Result<Value, E> { Ok(Value::Text(value.to_string())) })+
    };
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars!(
        visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64, visit_str: &str
    );

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}
