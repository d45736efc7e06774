//! `subjects`: reads the subjects of actions.
//!
//! To add a key: `KEYS` and its reading in `one`, its field in `subject.rs` of the crate `actions`, its use in the
//! crate `engine`, and its mistakes in `tests/application/mistakes.rs`.

use std::collections::BTreeMap;

use quill_admin_actions::{FieldWords, Is, RightsWords, SubjectWords, Text, Watch, WatchWords};
use quill_admin_yaml::{Place, Value};

use crate::calls::{self, Pending};
use crate::names::spaced;
use crate::parameters::{Shared, exit_code};
use crate::reader::{At, Entry, Fields, Reader};
use crate::statement::{Draft, Known, Purpose};
use crate::tables::{Tables, identifier};
use crate::text::{self, Fields as Named, Scope};

/// A subject that was read.
#[derive(Debug)]
pub(crate) struct Drafted {
    pub(crate) key: Vec<String>,
    pub(crate) lock: Option<Draft>,
    pub(crate) query: Draft,
    pub(crate) look_alikes: Option<Draft>,
    /// The exit code and the message where one has to exist and does not.
    pub(crate) absent: Option<(u8, Text)>,
    pub(crate) watches: Vec<Watch>,
    /// The words, without the message for a missing subject.
    pub(crate) words: SubjectWords,
    /// The calls of actions in its warnings.
    pub(crate) calls: Vec<Pending>,
    pub(crate) place: Place,
}

const KEYS: [&str; 8] = ["key", "lock", "query", "fields", "hidden", "absent", "warn", "look_alikes"];

/// The subjects by name; `None` for one that has mistakes.
pub(crate) type Subjects = BTreeMap<String, Option<Drafted>>;

pub(crate) fn read(reader: &mut Reader<'_>, top: &Fields<'_>, tables: &Tables, shared: &Shared) -> Subjects {
    let mut subjects = BTreeMap::new();
    let Some(entry) = top.get("subjects") else { return subjects };
    for entry in reader.entries(entry.value, &entry.at).unwrap_or_default() {
        let valid = identifier(reader, "subject", entry.name, entry.at.place);
        let drafted = one(reader, &entry, tables, shared);
        subjects.insert(entry.name.to_owned(), drafted.filter(|_| valid));
    }
    subjects
}

fn one(reader: &mut Reader<'_>, entry: &Entry<'_>, tables: &Tables, shared: &Shared) -> Option<Drafted> {
    let at = At::new(format!("the subject {}", entry.name.escape_debug()), entry.at.place);
    let fields = reader.fields(entry.value, &at, &KEYS)?;
    let key = fields.get("key").map(|entry| key(reader, entry));
    let names: Vec<&str> = key.iter().flatten().map(String::as_str).collect();
    let known = Known::these(names.clone());
    let draft = |reader: &mut Reader<'_>, name: &str, purpose| {
        let entry = fields.get(name)?;
        Some(Draft::read(reader, entry.value, &entry.at, purpose, tables, &known))
    };
    let lock = draft(reader, "lock", Purpose::Lock);
    let query = draft(reader, "query", Purpose::Columns);
    let look_alikes = draft(reader, "look_alikes", Purpose::Texts);
    reader.needed(&fields, "query", "it reads one row: the state before and after an action");
    let columns: Vec<&str> = query
        .iter()
        .flatten()
        .flat_map(|query| &query.alternatives)
        .flat_map(|alternative| &alternative.columns)
        .map(String::as_str)
        .collect();
    let mut words = SubjectWords::default();
    if let Some(entry) = fields.get("fields") {
        words.fields = shown(reader, entry, &columns, shared);
    }
    if let Some(entry) = fields.get("hidden") {
        words.hidden = hidden(reader, entry, &columns, &words.fields);
    }
    let scope = Scope::parameters(known.clone());
    let absent = fields.get("absent").map(|entry| said(reader, entry, &scope));
    if !names.is_empty() && absent.is_none() {
        let why = "it says how an action ends that finds none, as in { exit: 10, say: \"there is no …\" }";
        reader.needed(&fields, "absent", why);
    }
    let mut calls = Vec::new();
    let mut watches = Vec::new();
    if let Some(entry) = fields.get("warn") {
        watches = warnings(reader, entry, known.clone(), &mut words, &mut calls);
    }
    // Parts that are present and cannot be read have been reported already.
    let (lock, look_alikes) = (whole(lock)?, whole(look_alikes)?);
    Some(Drafted {
        key: key.unwrap_or_default(),
        lock,
        query: query??,
        look_alikes,
        absent: whole(absent)?,
        watches,
        words,
        calls,
        place: at.place,
    })
}

/// Turns a missing value into `Some(None)` and a valid one into `Some(Some(_))`; `None` means that it has
/// mistakes.
#[expect(clippy::option_option, reason = "that is what it takes apart")]
fn whole<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(valid) => Some(valid),
    }
}

/// Reads the names of parameters: one, or a list.
fn key(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Vec<String> {
    let names = match entry.value.value {
        Value::List(_) => reader.texts(entry.value, &entry.at).unwrap_or_default(),
        _ => reader.text(entry.value, &entry.at).map(|name| (name, entry.value.place)).into_iter().collect(),
    };
    names
        .into_iter()
        .filter(|(name, place)| identifier(reader, "parameter", name, *place))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Reports a field that is no column of the query.
fn is_column(reader: &mut Reader<'_>, entry: &Entry<'_>, columns: &[&str]) -> bool {
    // A query that cannot be read has no columns, and has been reported already.
    let known = columns.is_empty() || columns.contains(&entry.name);
    if !known {
        let mut columns = columns.to_vec();
        columns.sort_unstable();
        columns.dedup();
        reader.unknown(entry.at.place, "column of \"query\"", entry.name, &columns);
    }
    known
}

fn shown(reader: &mut Reader<'_>, entry: &Entry<'_>, columns: &[&str], shared: &Shared) -> Vec<FieldWords> {
    let mut shown = Vec::new();
    for entry in reader.entries(entry.value, &entry.at).unwrap_or_default() {
        is_column(reader, &entry, columns);
        let mut words =
            FieldWords { field: entry.name.to_owned(), label: spaced(entry.name), ..FieldWords::default() };
        if !matches!(entry.value.value, Value::Nothing) {
            let at = At::new(format!("the field {}", entry.name.escape_debug()), entry.at.place);
            let Some(fields) = reader.fields(entry.value, &at, &["label", "plural", "words", "rights"])
            else {
                continue;
            };
            if let Some(text) = fields.get("label").and_then(|entry| reader.text(entry.value, &entry.at)) {
                text.clone_into(&mut words.label);
            }
            words.plural =
                fields.get("plural").and_then(|entry| reader.text(entry.value, &entry.at)).map(str::to_owned);
            if let Some(entry) = fields.get("words") {
                let texts = reader.texts(entry.value, &entry.at).unwrap_or_default();
                match texts.as_slice() {
                    [(no, _), (yes, _)] => words.words = Some([(*no).to_owned(), (*yes).to_owned()]),
                    _ => reader.tell(
                        entry.value.place,
                        "\"words\" is two texts: what false is called, and what true is called",
                    ),
                }
            }
            words.rights = fields.get("rights").and_then(|entry| rights(reader, entry, shared));
        }
        shown.push(words);
    }
    shown
}

/// Reads `{ levels, privileged }`: which values of a field are rights, and which of them allow everything.
fn rights(reader: &mut Reader<'_>, entry: &Entry<'_>, shared: &Shared) -> Option<RightsWords> {
    let fields = reader.fields(entry.value, &entry.at, &["levels", "privileged"])?;
    let mut levels = Vec::new();
    if let Some(entry) = fields.get("levels") {
        let name = reader.text(entry.value, &entry.at)?;
        let Some(declared) = shared.get(name) else {
            let known: Vec<&str> = shared.keys().map(String::as_str).collect();
            reader.unknown(entry.value.place, "parameter", name, &known);
            return None;
        };
        levels.extend(declared.words.values.iter().map(|words| words.value.clone()));
        if levels.is_empty() && declared.valid {
            let what = format!(
                "\"levels\" names the parameter {name}, which is no one_of: its values are the levels, lowest first"
            );
            reader.tell(entry.value.place, what);
        }
    }
    let why = "it lists the values that allow everything, as in [superadmin]";
    let entry = reader.needed(&fields, "privileged", why).cloned()?;
    let privileged = reader.texts(entry.value, &entry.at)?;
    let known: Vec<&str> = levels.iter().map(String::as_str).collect();
    for (value, place) in &privileged {
        if !known.is_empty() && !known.contains(value) {
            reader.unknown(*place, "level", value, &known);
        }
    }
    let privileged = privileged.into_iter().map(|(value, _)| value.to_owned()).collect();
    Some(RightsWords { levels, privileged })
}

fn hidden(
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    columns: &[&str],
    shown: &[FieldWords],
) -> BTreeMap<String, String> {
    let mut hidden = BTreeMap::new();
    for entry in reader.entries(entry.value, &entry.at).unwrap_or_default() {
        is_column(reader, &entry, columns);
        if shown.iter().any(|words| words.field == entry.name) {
            let what = format!("{} is in \"fields\" and in \"hidden\"; it is shown or hidden", entry.name);
            reader.tell(entry.at.place, what);
        }
        if let Some(text) = reader.text(entry.value, &entry.at) {
            hidden.insert(entry.name.to_owned(), text.to_owned());
        }
    }
    hidden
}

/// Reads `{ exit, say }`.
pub(crate) fn said(reader: &mut Reader<'_>, entry: &Entry<'_>, scope: &Scope<'_>) -> Option<(u8, Text)> {
    let fields = reader.fields(entry.value, &entry.at, &["exit", "say"])?;
    let exit = reader.needed(&fields, "exit", "it is the exit code: 10, 11 or 12").cloned();
    let exit = exit.and_then(|entry| exit_code(reader, &entry));
    let say = reader.needed(&fields, "say", "it is what is told then").cloned();
    let say = say.and_then(|entry| text::read(reader, entry.value, &entry.at, scope));
    exit.zip(say)
}

/// Reads the code of a warning, which programs go by.
pub(crate) fn code(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<String> {
    let text = reader.text(entry.value, &entry.at)?;
    identifier(reader, "warning", text, entry.value.place).then(|| text.to_owned())
}

fn warnings(
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    parameters: Known<'_>,
    words: &mut SubjectWords,
    calls: &mut Vec<Pending>,
) -> Vec<Watch> {
    let mut watches = Vec::new();
    let shown: Vec<String> = words.fields.iter().map(|words| words.field.clone()).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let scope = Scope {
        after: Named::These { always: shown.clone(), sometimes: Vec::new() },
        ..Scope::parameters(parameters)
    };
    for item in reader.list(entry.value, &entry.at).unwrap_or_default() {
        let at = At::new("a warning", item.place);
        let Some(fields) = reader.fields(item, &at, &["field", "is", "code", "say", "next"]) else {
            continue;
        };
        let field = reader.needed(&fields, "field", "it is the field to look at").cloned();
        let field = field.and_then(|entry| {
            let name = reader.text(entry.value, &entry.at)?;
            if !shown.contains(&name) {
                reader.unknown(entry.value.place, "field", name, &shown);
            }
            Some(name.to_owned())
        });
        let is = reader.needed(&fields, "is", "it is the value to warn of").cloned();
        let is = is.and_then(|entry| {
            let text = reader.text(entry.value, &entry.at)?;
            Some(text.parse().map_or_else(|_| Is::Text(text.to_owned()), Is::Boolean))
        });
        let code = reader.needed(&fields, "code", "it is what programs know the warning by").cloned();
        let code = code.and_then(|entry| self::code(reader, &entry));
        let say = reader.needed(&fields, "say", "it is the warning in words").cloned();
        let say = say.and_then(|entry| text::read(reader, entry.value, &entry.at, &scope));
        let next = fields.get("next").and_then(|entry| calls::read(reader, entry, &scope, None));
        let (Some(field), Some(is), Some(code), Some(say)) = (field, is, code, say) else { continue };
        watches.push(Watch { field, is, code });
        words.warn.push(WatchWords { say, next: next.as_ref().map(Pending::suggestion) });
        calls.extend(next);
    }
    watches
}
