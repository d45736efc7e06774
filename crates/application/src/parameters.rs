//! `parameters`: reads the parameters of actions, and those that actions share.
//!
//! To add a type: here, `Kind` in the crate `actions`, `Argument` in the crate `contract`, and its help and
//! reference in the crate `cli`.

use std::collections::BTreeMap;

use quill_admin_actions::{Exists, Hash, Kind, Parameter, ParameterWords, Value as Listed, ValueWords};
use quill_admin_contract::{Argument, value};
use quill_admin_yaml::{Node, Place, Value};

use crate::names::{LETTERS, capitalised, is_taken_parameter, spaced};
use crate::reader::{At, Entry, Fields, Reader};
use crate::statement::{Draft, Known, Purpose};
use crate::tables::{Tables, identifier};

/// A parameter that was read.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) parameter: Parameter,
    pub(crate) words: ParameterWords,
    /// The query that looks its values up.
    pub(crate) exists: Option<Draft>,
    pub(crate) place: Place,
    /// Whether it has no mistakes. One with mistakes is kept so that its name is not reported as unknown.
    pub(crate) valid: bool,
}

impl Declared {
    /// A placeholder for a parameter that could not be read.
    fn broken(place: Place) -> Self {
        let kind = Kind::Text { min: 1, max: LONGEST };
        let parameter =
            Parameter { kind, many: false, optional: false, default: None, recorded: false, exists: None };
        Self { parameter, words: ParameterWords::default(), exists: None, place, valid: false }
    }
}

/// The parameters of an action.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    /// The parameters in the order in which they are asked for.
    pub(crate) list: Vec<(String, Declared)>,
    /// Whether a mistake has been reported that leaves open which other parameters there are.
    pub(crate) open: bool,
}

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&Declared> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, declared)| declared)
    }

    pub(crate) fn known(&self) -> Known<'_> {
        Known { names: self.list.iter().map(|(name, _)| name.as_str()).collect(), open: self.open }
    }
}

/// Parameters that several actions share, by name.
pub(crate) type Shared = BTreeMap<String, Declared>;

const KEYS: [&str; 16] = [
    "like", "type", "min", "max", "values", "hash", "absent", "many", "optional", "default", "name", "ask",
    "short", "suggest", "exists", "recorded",
];

/// The names of types.
const TYPES: [&str; 7] = ["text", "email", "one_of", "integer", "boolean", "date", "password"];

/// The highest limit for the characters of a text: a value travels in a variable.
const LONGEST: u32 = 10_000;

/// Reads the file's `parameters`: those that actions share.
pub(crate) fn shared(reader: &mut Reader<'_>, top: &Fields<'_>, tables: &Tables) -> Shared {
    let mut shared = Shared::new();
    let Some(entry) = top.get("parameters") else { return shared };
    for entry in reader.entries(entry.value, &entry.at).unwrap_or_default() {
        let declared = one(reader, &entry, tables, &Shared::new());
        shared.insert(entry.name.to_owned(), declared.unwrap_or_else(|| Declared::broken(entry.at.place)));
    }
    shared
}

/// Reads an action's `parameters`: names of shared ones, or parameters of its own.
pub(crate) fn of_action(
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    tables: &Tables,
    shared: &Shared,
) -> Parameters {
    let mut parameters = Parameters::default();
    let mut add = |name: &str, place: Place, declared: Option<Declared>| {
        // A mistyped name leaves open which parameter was meant.
        parameters.open |= declared.is_none();
        let declared = declared.unwrap_or_else(|| Declared::broken(place));
        parameters.list.push((name.to_owned(), Declared { place, ..declared }));
    };
    let readable = if let Value::List(_) = entry.value.value {
        let names = reader.texts(entry.value, &entry.at);
        for (name, place) in names.iter().flatten() {
            let found = find(reader, name, *place, shared);
            add(name, *place, found);
        }
        names.is_some()
    } else {
        let entries = reader.entries(entry.value, &entry.at);
        for entry in entries.iter().flatten() {
            let declared = match entry.value.value {
                Value::Nothing => find(reader, entry.name, entry.at.place, shared),
                _ => Some(
                    one(reader, entry, tables, shared).unwrap_or_else(|| Declared::broken(entry.at.place)),
                ),
            };
            add(entry.name, entry.at.place, declared);
        }
        entries.is_some()
    };
    parameters.open |= !readable;
    letters(reader, &parameters);
    passwords(reader, &parameters);
    parameters
}

/// Reports a second password, which could not be given: stdin holds one, and the flags for a password do not
/// name it.
fn passwords(reader: &mut Reader<'_>, parameters: &Parameters) {
    let mut secret =
        parameters.list.iter().filter(|(_, declared)| declared.valid && declared.parameter.is_secret());
    let Some((first, _)) = secret.next() else { return };
    for (name, declared) in secret {
        let what = format!(
            "{name} is a second password beside {first}, and an action takes one: only one can come from stdin; set \
             the other with an action of its own"
        );
        reader.tell(declared.place, what);
    }
}

/// Reports two parameters with the same letter.
fn letters(reader: &mut Reader<'_>, parameters: &Parameters) {
    let mut seen: BTreeMap<char, &str> = BTreeMap::new();
    for (name, declared) in &parameters.list {
        let Some(letter) = declared.words.short else { continue };
        if let Some(other) = seen.insert(letter, name) {
            let what =
                format!("{name} and {other} both have the short flag -{letter}; give one of them another");
            reader.tell(declared.place, what);
        }
    }
}

fn find(reader: &mut Reader<'_>, name: &str, place: Place, shared: &Shared) -> Option<Declared> {
    let found = shared.get(name).cloned();
    if found.is_none() {
        let names: Vec<&str> = shared.keys().map(String::as_str).collect();
        reader.unknown(place, "parameter", name, &names);
    }
    found
}

/// Reads one parameter with its properties.
fn one(reader: &mut Reader<'_>, entry: &Entry<'_>, tables: &Tables, shared: &Shared) -> Option<Declared> {
    let name = entry.name;
    let mut valid = identifier(reader, "parameter", name, entry.at.place);
    if is_taken_parameter(name) {
        let what = format!(
            "no parameter can be called {name}: ADMIN_{} or --{} means something already",
            name.to_ascii_uppercase(),
            name.replace('_', "-")
        );
        reader.tell(entry.at.place, what);
        valid = false;
    }
    let at = At::new(format!("the parameter {}", name.escape_debug()), entry.at.place);
    let fields = reader.fields(entry.value, &at, &KEYS)?;
    let mut declared = if let Some(like) = fields.get("like") {
        let base = reader.text(like.value, &like.at)?;
        let mut declared = find(reader, base, like.value.place, shared)?;
        if let Some(key) = fields.get("type") {
            let what = format!("\"like\" takes the type of {base} with it; leave \"type\" out, or \"like\"");
            reader.tell(key.at.place, what);
            valid = false;
        }
        if base != name {
            // The letter belongs to the base: one action may have both parameters.
            declared.words.short = None;
        }
        declared
    } else {
        let why = format!("it is one of: {}", TYPES.join(", "));
        let types = TYPES.map(|name| (name, name));
        let entry = reader.needed(&fields, "type", &why)?.clone();
        let kind = start(reader.one_of(entry.value, &entry.at, &types)?);
        let parameter =
            Parameter { kind, many: false, optional: false, default: None, recorded: false, exists: None };
        let words = ParameterWords {
            name: spaced(name),
            ask: capitalised(&spaced(name)),
            ..ParameterWords::default()
        };
        Declared { parameter, words, exists: None, place: at.place, valid: true }
    };
    name.clone_into(&mut declared.words.parameter);
    declared.place = at.place;
    let mut properties = Properties { reader, tables, fields: &fields, valid };
    properties.kind(&mut declared);
    properties.presence(&mut declared);
    properties.words(&mut declared.words, &declared.parameter.kind);
    properties.exists(&mut declared);
    declared.valid &= properties.valid;
    Some(declared)
}

/// A type with its default limits.
fn start(name: &str) -> Kind {
    match name {
        "email" => Kind::Email { max: 255 },
        "one_of" => Kind::OneOf { values: BTreeMap::new() },
        "integer" => Kind::Integer { min: i64::from(i32::MIN), max: i64::from(i32::MAX) },
        "boolean" => Kind::Boolean,
        "date" => Kind::Date { min: None, max: None },
        "password" => Kind::Password { hash: Hash::Argon2idQuill, random_if_absent: false },
        _ => Kind::Text { min: 1, max: 0 },
    }
}

fn type_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text { .. } => "text",
        Kind::Email { .. } => "email",
        Kind::OneOf { .. } => "one_of",
        Kind::Integer { .. } => "integer",
        Kind::Boolean => "boolean",
        Kind::Date { .. } => "date",
        Kind::Password { .. } => "password",
    }
}

/// Reads the keys of one parameter.
struct Properties<'r, 'd, 'n, 't> {
    reader: &'r mut Reader<'d>,
    tables: &'t Tables,
    fields: &'t Fields<'n>,
    valid: bool,
}

impl<'n> Properties<'_, '_, 'n, '_> {
    fn get(&self, key: &str) -> Option<Entry<'n>> {
        self.fields.get(key).cloned()
    }

    /// Returns a value, and notes if there was none.
    fn keep<T>(&mut self, value: Option<T>) -> Option<T> {
        self.valid &= value.is_some();
        value
    }

    /// Reports a key that the type does not have.
    fn only_for(&mut self, key: &str, kind: &Kind, types: &[&str]) -> Option<Entry<'n>> {
        let entry = self.get(key)?;
        if types.contains(&type_of(kind)) {
            return Some(entry);
        }
        let plural = if types.len() == 1 { "" } else { "s" };
        let what =
            format!("\"{key}\" is for the type{plural} {}, not for {}", types.join(", "), type_of(kind));
        self.reader.tell(entry.at.place, what);
        self.valid = false;
        None
    }

    /// Reads the limits of the type.
    fn kind(&mut self, declared: &mut Declared) {
        let kind = &mut declared.parameter.kind;
        let least = self.only_for("min", kind, &["text", "integer", "date"]);
        let most = self.only_for("max", kind, &["text", "email", "integer", "date"]);
        let values = self.only_for("values", kind, &["one_of"]);
        let hash = self.only_for("hash", kind, &["password"]);
        let absent = self.only_for("absent", kind, &["password"]);
        match kind {
            Kind::Text { min, max } => {
                if let Some(entry) = least {
                    *min = self.number(&entry, 1, LONGEST).unwrap_or(*min);
                }
                if let Some(entry) = most {
                    *max = self.number(&entry, *min, LONGEST).unwrap_or(*min);
                }
                if *max == 0 && self.valid {
                    let At { what, place } = &self.fields.at;
                    let what =
                        format!("{what} has no key \"max\"; it says how many characters fit into the column");
                    self.reader.tell(*place, what);
                    self.valid = false;
                }
            }
            Kind::Email { max } => {
                if let Some(entry) = most {
                    *max = self.number(&entry, 3, LONGEST).unwrap_or(*max);
                }
            }
            Kind::Integer { min, max } => {
                if let Some(entry) = least {
                    *min = self.number(&entry, i64::MIN, i64::MAX).unwrap_or(*min);
                }
                if let Some(entry) = most {
                    *max = self.number(&entry, *min, i64::MAX).unwrap_or(*max);
                }
            }
            Kind::Date { min, max } => {
                if let Some(entry) = least {
                    *min = self.date(&entry).or(min.take());
                }
                if let Some(entry) = most {
                    *max = self.date(&entry).or(max.take());
                }
            }
            Kind::OneOf { values: listed } => match values {
                Some(entry) => self.values(&entry, listed, &mut declared.words.values),
                None if listed.is_empty() => {
                    let At { what, place } = &self.fields.at;
                    self.reader
                        .tell(*place, format!("{what} has no key \"values\"; it lists what may be chosen"));
                    self.valid = false;
                }
                None => {}
            },
            Kind::Password { hash: of, random_if_absent } => {
                if let Some(entry) = hash {
                    let value = self.reader.one_of(
                        entry.value,
                        &entry.at,
                        &[("argon2id-quill", Hash::Argon2idQuill)],
                    );
                    *of = self.keep(value).unwrap_or(*of);
                }
                if let Some(entry) = absent {
                    let value = self.reader.one_of(entry.value, &entry.at, &[("random", true)]);
                    *random_if_absent = self.keep(value).unwrap_or_default();
                }
            }
            Kind::Boolean => {}
        }
    }

    fn number<T>(&mut self, entry: &Entry<'_>, min: T, max: T) -> Option<T>
    where
        T: Copy + std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let value = self.reader.number(entry.value, &entry.at, min, max);
        self.keep(value)
    }

    fn date(&mut self, entry: &Entry<'_>) -> Option<String> {
        let text = self.reader.text(entry.value, &entry.at);
        let text = self.keep(text)?;
        if is_date(text) {
            return Some(text.to_owned());
        }
        let what = format!("{} is a day, as in 2026-11-29, not \"{}\"", entry.at.what, text.escape_debug());
        self.reader.tell(entry.value.place, what);
        self.valid = false;
        None
    }

    fn values(
        &mut self,
        entry: &Entry<'_>,
        listed: &mut BTreeMap<String, Listed>,
        words: &mut Vec<ValueWords>,
    ) {
        listed.clear();
        words.clear();
        let entries = self.reader.entries(entry.value, &entry.at);
        for entry in self.keep(entries).unwrap_or_default() {
            let at = At::new(format!("the value {}", entry.name.escape_debug()), entry.at.place);
            if !self.plain(entry.name, entry.at.place) {
                self.valid = false;
                continue;
            }
            let (mut note, mut condition) = (None, None);
            if !matches!(entry.value.value, Value::Nothing) {
                let fields = self.reader.fields(entry.value, &at, &["note", "if"]);
                let Some(fields) = self.keep(fields) else { continue };
                if let Some(entry) = fields.get("note") {
                    let text = self.reader.text(entry.value, &entry.at).map(str::to_owned);
                    note = self.keep(text);
                }
                if let Some(entry) = fields.get("if") {
                    let read = self.tables.condition(self.reader, entry.value, &entry.at);
                    condition = self.keep(read);
                }
            }
            listed.insert(entry.name.to_owned(), Listed { condition });
            words.push(ValueWords { value: entry.name.to_owned(), note });
        }
        if listed.is_empty() && self.valid {
            self.reader.tell(entry.at.place, "\"values\" is empty; it lists what may be chosen");
            self.valid = false;
        }
    }

    /// Checks that a name of the file can be typed. Keys are not checked elsewhere.
    fn plain(&mut self, name: &str, place: Place) -> bool {
        let node = Node { place, value: Value::Text(name.to_owned()), span: None };
        let trimmed = name.trim() == name;
        if !trimmed {
            self.reader.tell(place, "a value neither begins nor ends with a blank");
        }
        self.reader.text(&node, &At::new("a value", place)).is_some() && trimmed
    }

    /// Reads whether the parameter is required, and how many values it takes.
    fn presence(&mut self, declared: &mut Declared) {
        let parameter = &mut declared.parameter;
        let many = self.only_for("many", &parameter.kind, &["text", "email", "one_of", "integer", "date"]);
        if let Some(entry) = many {
            let value = self.reader.flag(entry.value, &entry.at);
            parameter.many = self.keep(value).unwrap_or_default();
        }
        let typed = ["text", "email", "one_of", "integer", "boolean", "date"];
        if let Some(entry) = self.only_for("recorded", &parameter.kind, &typed) {
            let value = self.reader.flag(entry.value, &entry.at);
            parameter.recorded = self.keep(value).unwrap_or_default();
        }
        if let Some(entry) = self.get("optional") {
            let value = self.reader.flag(entry.value, &entry.at);
            parameter.optional = self.keep(value).unwrap_or_default();
        }
        if let Some(entry) = self.only_for("default", &parameter.kind, &typed) {
            let text = self.reader.text(entry.value, &entry.at).map(str::to_owned);
            if let Some(text) = self.keep(text) {
                if let Some(why) = refusal(&parameter.kind, &text).filter(|_| self.valid) {
                    self.reader
                        .tell(entry.value.place, format!("the default \"{}\" {why}", text.escape_debug()));
                    self.valid = false;
                }
                parameter.default = Some(text);
            }
        }
        let random = matches!(parameter.kind, Kind::Password { random_if_absent: true, .. });
        let clash = match (parameter.optional, &parameter.default, random, parameter.many) {
            (true, Some(_), ..) => Some("\"optional\" and \"default\": what is left out is one or the other"),
            (true, _, true, _) => {
                Some("\"optional\" and \"absent: random\": what is left out is one or the other")
            }
            (_, Some(_), _, true) => Some("\"many\" and \"default\": what takes many values has no default"),
            _ => None,
        };
        if let Some(clash) = clash {
            let At { what, place } = &self.fields.at;
            self.reader.tell(*place, format!("{what} has {clash}"));
            self.valid = false;
        }
    }

    fn words(&mut self, words: &mut ParameterWords, kind: &Kind) {
        if let Some(entry) = self.get("name") {
            let text = self.reader.text(entry.value, &entry.at).map(str::to_owned);
            if let Some(name) = self.keep(text) {
                words.ask = capitalised(&name);
                words.name = name;
            }
        }
        if let Some(entry) = self.get("ask") {
            let text = self.reader.text(entry.value, &entry.at).map(str::to_owned);
            words.ask = self.keep(text).unwrap_or_default();
        }
        if let Some(entry) = self.get("short") {
            let text = self.reader.text(entry.value, &entry.at);
            let text = self.keep(text).unwrap_or_default();
            let mut letters = text.chars();
            match (letters.next(), letters.next()) {
                (Some(letter), None) if letter.is_ascii_alphabetic() && !LETTERS.contains(&letter) => {
                    words.short = Some(letter);
                }
                (Some(letter), None) if LETTERS.contains(&letter) => {
                    let what = format!("-{letter} is a flag of every command; take another letter");
                    self.reader.tell(entry.value.place, what);
                    self.valid = false;
                }
                _ => {
                    self.reader.tell(entry.value.place, "\"short\" is one letter, as in \"short: u\"");
                    self.valid = false;
                }
            }
        }
        if let Some(entry) = self.only_for("suggest", kind, &["text"]) {
            let texts = self.reader.texts(entry.value, &entry.at);
            let texts = self.keep(texts).unwrap_or_default();
            for (text, place) in &texts {
                if let Some(why) = refusal(kind, text) {
                    self.reader.tell(*place, format!("the suggestion \"{}\" {why}", text.escape_debug()));
                    self.valid = false;
                }
            }
            words.suggest = texts.into_iter().map(|(text, _)| text.to_owned()).collect();
        }
    }

    fn exists(&mut self, declared: &mut Declared) {
        let Some(entry) = self.only_for("exists", &declared.parameter.kind, &["text"]) else { return };
        let fields = self.reader.fields(entry.value, &entry.at, &["sql", "exit", "none"]);
        let Some(fields) = self.keep(fields) else { return };
        let why = "it returns all values that there are, in one column";
        let sql = self.reader.needed(&fields, "sql", why).cloned();
        let draft = sql.and_then(|entry| {
            Draft::read(self.reader, entry.value, &entry.at, Purpose::Texts, self.tables, &Known::none())
        });
        let exit =
            self.reader.needed(&fields, "exit", "it is the exit code where there is no such value").cloned();
        let exit = exit.and_then(|entry| exit_code(self.reader, &entry));
        if let Some(entry) = fields.get("none") {
            let text = self.reader.text(entry.value, &entry.at).map(str::to_owned);
            declared.words.none = self.keep(text);
        }
        let query = draft.as_ref().and_then(|draft| draft.bind(|_| None));
        if let Some((query, exit)) = self.keep(query.zip(exit)) {
            declared.parameter.exists = Some(Exists { query, exit });
            declared.exists = draft;
        }
    }
}

/// Reads an exit code that an action may choose. The other codes have a meaning for the engine.
pub(crate) fn exit_code(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<u8> {
    let code = match &entry.value.value {
        Value::Text(text) => text.parse().ok().filter(|code| (10..=12).contains(code)),
        _ => None,
    };
    if code.is_none() {
        let what = format!(
            "{} is 10 (what it is about was not found), 11 (what it refers to was not found) or 12 (taken: belongs to \
             another, exists already, or may not be taken away), not {}",
            entry.at.what,
            entry.value.value.what()
        );
        reader.tell(entry.value.place, what);
    }
    code
}

/// The reason why a value of the file is not of this type, in words that follow the value.
pub(crate) fn refusal(kind: &Kind, text: &str) -> Option<String> {
    misfit(kind, text).or_else(|| {
        // The remaining mistakes are those that every person who runs the action would see: characters that
        // cannot be seen, and characters that addresses are pasted with.
        let parameter = Parameter {
            kind: kind.clone(),
            many: false,
            optional: false,
            default: None,
            recorded: false,
            exists: None,
        };
        Argument::parse(&parameter, "value", text).err().map(|why| format!("would be refused: {why}"))
    })
}

/// The reason why a value does not fit the limits of its type.
fn misfit(kind: &Kind, text: &str) -> Option<String> {
    let length = u32::try_from(text.trim().chars().count()).unwrap_or(u32::MAX);
    match kind {
        Kind::Text { min, max } => (length < *min || length > *max)
            .then(|| format!("has {length} characters; {min} to {max} are allowed")),
        Kind::Email { max } => {
            let sides = text
                .split_once('@')
                .filter(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
            (sides.is_none() || length > *max)
                .then(|| format!("is no email address of up to {max} characters, as in name@example.org"))
        }
        Kind::OneOf { values } => (!values.contains_key(text)).then(|| {
            let allowed: Vec<&str> = values.keys().map(String::as_str).collect();
            format!("is not among the values: {}", allowed.join(", "))
        }),
        Kind::Integer { min, max } => {
            let fits = text.parse::<i64>().is_ok_and(|number| (*min..=*max).contains(&number));
            (!fits).then(|| format!("is no whole number from {min} to {max}"))
        }
        Kind::Boolean => (!["true", "false"].contains(&text)).then(|| "is neither true nor false".to_owned()),
        Kind::Date { min, max } => {
            // Days in this form have the same order as their texts.
            let early = min.as_ref().is_some_and(|min| text < min.as_str());
            let late = max.as_ref().is_some_and(|max| text > max.as_str());
            (!is_date(text) || early || late)
                .then(|| "is no day within the limits, written as 2026-11-29".to_owned())
        }
        Kind::Password { .. } => Some("would be a password in plain text, for everybody to read".to_owned()),
    }
}

/// Whether a text is an existing day, as `2026-11-29`.
fn is_date(text: &str) -> bool {
    text.trim() == text && value::day("day", text, None, None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_of_the_calendar() {
        for good in ["2026-11-29", "2024-02-29", "2000-02-29", "0001-01-01"] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2026-1-1",
            "26-11-29",
            "2026-11-2é",
            "",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
