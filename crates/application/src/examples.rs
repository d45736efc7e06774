//! `examples/`: reads golden cases, which `quill-admin actions test` runs.
//!
//! To add a key of a case: here, its use in the crate `local`, and the page docs/writing-actions.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quill_admin_actions::{Action, Actions, Condition, Definition, Kind, Otherwise, Step};
use quill_admin_contract::{PasswordHash, Secret};
use quill_admin_yaml::{Node, Place, Value};

use crate::mistake::Broken;
use crate::parameters::refusal;
use crate::reader::{At, Entry, Fields, Reader};
use crate::sql::{Outline, tokens};
use crate::tables::Tables;
use crate::{content, document};

/// The golden cases of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// The values of columns that a row does not name, by table.
    pub defaults: BTreeMap<String, Row>,
    /// Rows that exist before every case.
    pub given: Vec<Given>,
    /// The cases, file by file.
    pub cases: Vec<Case>,
}

/// The values of a row, by column. A column that the database does not have is left out if the actions know
/// that it may be missing.
pub type Row = BTreeMap<String, Cell>;

/// The value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A value, as PostgreSQL reads it.
    Text(String),
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The table.
    pub table: String,
    /// The row.
    pub row: Row,
    /// Its place in the file.
    pub place: Place,
}

/// One case: the rows before it, the action, and the expected result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The file that holds it.
    pub file: PathBuf,
    /// The place where it begins.
    pub place: Place,
    /// The purpose of the case, which is its name.
    pub name: String,
    /// The condition under which it is run; `None` for always.
    pub condition: Option<Condition>,
    /// Tables that are empty, even if rows exist there before every case.
    pub without: BTreeSet<String>,
    /// Additional rows that exist before it.
    pub given: Vec<Given>,
    /// The action.
    pub action: String,
    /// Values for its parameters, in the form in which they travel: a password as its hash.
    pub with: BTreeMap<String, Vec<String>>,
    /// The expected result.
    pub expect: Expect,
    /// Whether it is run a second time, which must have nothing to do.
    pub repeats: bool,
}

/// The expected result of a case. Parts that are `None` are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// The exit code.
    pub exit: u8,
    /// The outcome, in one word.
    pub result: Option<Outcome>,
    /// A text that the message has to contain.
    pub says: Option<String>,
    /// All changes, by field.
    pub changes: Option<BTreeMap<String, Change>>,
    /// The codes of all warnings.
    pub warnings: Option<BTreeSet<String>>,
    /// Rows that are found afterwards, each exactly once.
    pub rows: Vec<Given>,
    /// Rows that are not found afterwards.
    pub gone: Vec<Given>,
    /// The rows that are listed, in their order.
    pub listed: Option<Vec<Row>>,
}

/// An outcome, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The subject was made.
    Created,
    /// The subject was changed.
    Updated,
    /// Everything was already as asked for.
    Unchanged,
    /// The subject or the rows were found.
    Found,
    /// The action failed; nothing was changed.
    Failed,
}

/// The change of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The field has another value; `from` is missing for a subject that was created.
    Value {
        /// The value before.
        from: Option<Cell>,
        /// The value afterwards.
        to: Cell,
    },
    /// The field is a list and has other values.
    List {
        /// The values that were added.
        added: BTreeSet<String>,
        /// The values that were removed.
        removed: BTreeSet<String>,
    },
    /// A hidden field changed.
    Hidden,
}

/// The folder of the examples, within `application/`.
pub const EXAMPLES: &str = "examples";
/// The file of that folder with the rows that exist before every case.
const GIVEN: &str = "given.yaml";
/// Largest number of files in the folder.
const FILES: usize = 500;

/// Reads the examples of a folder `application/`; there are none where it has no folder `examples/`.
///
/// # Errors
///
/// One [`Broken`] for each file that has mistakes or cannot be read.
pub fn read(folder: &Path, actions: &Actions) -> Result<Examples, Vec<Broken>> {
    let folder = folder.join(EXAMPLES);
    let mut examples = Examples::default();
    let mut broken = Vec::new();
    for file in files_of(&folder).map_err(|broken| vec![broken])? {
        let result = content(&file).and_then(|bytes| parse(&file, &bytes, actions, &mut examples));
        broken.extend(result.err());
    }
    if broken.is_empty() { Ok(examples) } else { Err(broken) }
}

/// The files of a folder that end with `.yaml`, in the order of their names.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Broken> {
    let told = |what: String| Broken::whole(folder, what);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(told(format!("failed to read this folder: {error}"))),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| told(format!("failed to read this folder: {error}")))?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(told(format!("there are more than {FILES} files in this folder")));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads one file of examples and adds its cases to `examples`.
///
/// # Errors
///
/// [`Broken`], with all mistakes of the file.
pub fn parse(file: &Path, bytes: &[u8], actions: &Actions, examples: &mut Examples) -> Result<(), Broken> {
    let document = document(file, bytes)?;
    let tables =
        Tables { schema: actions.schema.clone(), tables: actions.tables.clone(), ..Tables::default() };
    let mut reader = Reader::new(&document);
    let mut cases = Cases { reader: &mut reader, file, actions, tables: &tables };
    if file.file_name().is_some_and(|name| name == GIVEN) {
        cases.given_to_all(&document.top, examples);
    } else {
        cases.all(&document.top, examples);
    }
    reader.finish(file)
}

struct Cases<'r, 'd, 'a> {
    reader: &'r mut Reader<'d>,
    file: &'a Path,
    actions: &'a Actions,
    tables: &'a Tables,
}

const CASE: [&str; 8] = ["case", "if", "without", "given", "run", "with", "expect", "repeats"];
const EXPECT: [&str; 8] = ["exit", "result", "says", "changes", "warnings", "rows", "gone", "listed"];
const OUTCOMES: [(&str, Outcome); 5] = [
    ("created", Outcome::Created),
    ("updated", Outcome::Updated),
    ("unchanged", Outcome::Unchanged),
    ("found", Outcome::Found),
    ("failed", Outcome::Failed),
];

impl<'a> Cases<'_, '_, 'a> {
    /// `defaults` and `given`.
    fn given_to_all(&mut self, top: &Node, examples: &mut Examples) {
        let at = At::new("the file", Place::START);
        let Some(fields) = self.reader.fields(top, &at, &["defaults", "given"]) else { return };
        if let Some(entry) = fields.get("defaults") {
            for entry in self.reader.entries(entry.value, &entry.at).unwrap_or_default() {
                if self.is_table(&entry)
                    && let Some(row) = self.row(entry.name, entry.value, &entry.at)
                {
                    examples.defaults.insert(entry.name.to_owned(), row);
                }
            }
        }
        examples.given = self.rows(&fields, "given");
    }

    fn all(&mut self, top: &Node, examples: &mut Examples) {
        let at = At::new("the file", Place::START);
        let Some(fields) = self.reader.fields(top, &at, &["cases"]) else { return };
        let Some(entry) = self.reader.needed(&fields, "cases", "it lists the cases").cloned() else { return };
        let mut names: BTreeMap<String, Place> = BTreeMap::new();
        for item in self.reader.list(entry.value, &entry.at).unwrap_or_default() {
            let Some(case) = self.case(item) else { continue };
            if let Some(first) = names.insert(case.name.clone(), case.place) {
                self.reader.tell(case.place, format!("the case at {first} is called so, too"));
            }
            examples.cases.push(case);
        }
    }

    fn case(&mut self, item: &Node) -> Option<Case> {
        let at = At::new("a case", item.place);
        let fields = self.reader.fields(item, &at, &CASE)?;
        let name = self.reader.needed(&fields, "case", "it says in a sentence what it shows").cloned();
        let name = name.and_then(|entry| self.reader.text(entry.value, &entry.at)).map(str::to_owned);
        let condition =
            fields.get("if").and_then(|entry| self.tables.condition(self.reader, entry.value, &entry.at));
        let without = fields.get("without").map(|entry| self.without(entry)).unwrap_or_default();
        let given = self.rows(&fields, "given");
        let run = self.reader.needed(&fields, "run", "it names the action").cloned();
        let action = run.and_then(|entry| self.action(&entry))?;
        let why = "it says what comes of it, as in { result: updated }";
        let expect = self.reader.needed(&fields, "expect", why).cloned();
        let expect = expect.and_then(|entry| self.expect(&entry, action))?;
        let with = self.with(&fields, action, expect.exit);
        let repeats = match fields.get("repeats") {
            Some(entry) => {
                let repeats = self.reader.flag(entry.value, &entry.at)?;
                if action.definition.read {
                    let what = "\"repeats\" is for actions that write; one that reads is the same each time";
                    self.reader.tell(entry.at.place, what);
                }
                repeats
            }
            None => true,
        };
        Some(Case {
            file: self.file.to_owned(),
            place: item.place,
            name: name?,
            condition,
            without,
            given,
            action: action.name.clone(),
            with,
            expect,
            repeats,
        })
    }

    fn without(&mut self, entry: &Entry<'_>) -> BTreeSet<String> {
        let texts = self.reader.texts(entry.value, &entry.at).unwrap_or_default();
        let mut without = BTreeSet::new();
        for (name, place) in texts {
            if self.known_table(name, place) {
                without.insert(name.to_owned());
            }
        }
        without
    }

    fn action(&mut self, entry: &Entry<'_>) -> Option<&'a Action> {
        let name = self.reader.text(entry.value, &entry.at)?;
        let found = self.actions.get(name);
        if found.is_none() {
            let names: Vec<&str> = self.actions.iter().map(|action| action.name.as_str()).collect();
            self.reader.unknown(entry.value.place, "action", name, &names);
        }
        found
    }

    /// The values that a case gives. If the action is to refuse them (exit code 2), they need not be valid.
    fn with(&mut self, fields: &Fields<'_>, action: &Action, exit: u8) -> BTreeMap<String, Vec<String>> {
        let parameters = &action.definition.parameters;
        let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
        let mut with = BTreeMap::new();
        let entry = fields.get("with").filter(|entry| !matches!(entry.value.value, Value::Nothing));
        let entries = entry.and_then(|entry| self.reader.entries(entry.value, &entry.at));
        for entry in entries.unwrap_or_default() {
            let Some(parameter) = parameters.get(entry.name) else {
                self.reader.unknown(
                    entry.at.place,
                    &format!("parameter of {}", action.name),
                    entry.name,
                    &names,
                );
                continue;
            };
            let values = match &entry.value.value {
                Value::List(items) if parameter.many => items.iter().collect(),
                _ => vec![entry.value],
            };
            let mut texts = Vec::new();
            for node in values {
                let Some(text) = self.reader.text(node, &entry.at) else { continue };
                if exit != 2
                    && let Some(why) = unfit(&parameter.kind, text)
                {
                    self.reader.tell(node.place, format!("the value for {} {why}", entry.name));
                }
                texts.push(text.to_owned());
            }
            with.insert(entry.name.to_owned(), texts);
        }
        let missing = |(name, parameter): &(&String, &quill_admin_actions::Parameter)| {
            parameter.is_required() && !with.contains_key(*name)
        };
        if let Some((name, _)) = parameters.iter().find(missing).filter(|_| exit != 2) {
            let At { what, place } = &fields.at;
            self.reader
                .tell(*place, format!("{what} of {} gives no value for {name} in \"with\"", action.name));
        }
        with
    }

    fn expect(&mut self, entry: &Entry<'_>, action: &Action) -> Option<Expect> {
        let fields = self.reader.fields(entry.value, &entry.at, &EXPECT)?;
        let mut expect = Expect::default();
        if let Some(entry) = fields.get("exit") {
            expect.exit = self.reader.number(entry.value, &entry.at, 0, 19)?;
        }
        if let Some(entry) = fields.get("result") {
            let result = self.reader.one_of(entry.value, &entry.at, &OUTCOMES)?;
            if (result == Outcome::Failed) != (expect.exit != 0) {
                let what = format!("with the exit code {} this is not what comes of it", expect.exit);
                self.reader.tell(entry.value.place, what);
            }
            expect.result = Some(result);
        }
        if let Some(entry) = fields.get("says") {
            expect.says = self.reader.text(entry.value, &entry.at).map(str::to_owned);
        }
        if let Some(entry) = fields.get("changes") {
            expect.changes = Some(self.changes(entry, &action.definition)?);
        }
        if let Some(entry) = fields.get("warnings") {
            let codes = codes(&action.definition);
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            let mut warnings = BTreeSet::new();
            for (code, place) in self.reader.texts(entry.value, &entry.at)? {
                if !codes.contains(&code) {
                    self.reader.unknown(place, "warning", code, &codes);
                }
                warnings.insert(code.to_owned());
            }
            expect.warnings = Some(warnings);
        }
        expect.rows = self.rows(&fields, "rows");
        expect.gone = self.rows(&fields, "gone");
        if let Some(entry) = fields.get("listed") {
            expect.listed = Some(self.listed(entry, &action.definition)?);
        }
        Some(expect)
    }

    /// `field: { from, to }`, `field: { added, removed }`, or `field: changed` for a hidden one.
    fn changes(&mut self, entry: &Entry<'_>, definition: &Definition) -> Option<BTreeMap<String, Change>> {
        let mut changes = BTreeMap::new();
        let Some(subject) = &definition.subject else {
            self.reader.tell(entry.at.place, "this action is about nothing that could change");
            return None;
        };
        let names: Vec<&str> = subject.fields.iter().chain(&subject.hidden).map(String::as_str).collect();
        if let Value::Map(map) = &entry.value.value
            && map.is_empty()
        {
            return Some(changes);
        }
        for entry in self.reader.entries(entry.value, &entry.at)? {
            if !names.contains(&entry.name) {
                self.reader.unknown(entry.at.place, "field", entry.name, &names);
                continue;
            }
            let change = if subject.hidden.contains(entry.name) {
                self.reader.one_of(entry.value, &entry.at, &[("changed", ())]).map(|()| Change::Hidden)
            } else {
                self.change(&entry)
            };
            changes.extend(change.map(|change| (entry.name.to_owned(), change)));
        }
        Some(changes)
    }

    fn change(&mut self, entry: &Entry<'_>) -> Option<Change> {
        let fields = self.reader.fields(entry.value, &entry.at, &["from", "to", "added", "removed"])?;
        let list = fields.get("added").is_some() || fields.get("removed").is_some();
        if list == fields.get("to").is_some() {
            let what = format!(
                "{} is {{ from: …, to: … }}, or for a list {{ added: […], removed: […] }}",
                entry.at.what
            );
            self.reader.tell(entry.value.place, what);
            return None;
        }
        if list {
            let mut texts = |name: &str| -> Option<BTreeSet<String>> {
                let Some(entry) = fields.get(name) else { return Some(BTreeSet::new()) };
                let texts = self.reader.texts(entry.value, &entry.at)?;
                Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
            };
            return Some(Change::List { added: texts("added")?, removed: texts("removed")? });
        }
        let from = match fields.get("from") {
            Some(entry) => Some(self.cell(entry.value, &entry.at)?),
            None => None,
        };
        let to = fields.get("to")?;
        Some(Change::Value { from, to: self.cell(to.value, &to.at)? })
    }

    fn listed(&mut self, entry: &Entry<'_>, definition: &Definition) -> Option<Vec<Row>> {
        let Some(listing) = &definition.rows else {
            self.reader.tell(entry.at.place, "this action lists no rows");
            return None;
        };
        let mut columns: BTreeSet<String> = BTreeSet::new();
        for alternative in listing.query.alternatives() {
            let tokens = tokens(&alternative.sql).ok()?;
            let named = Outline::new(&alternative.sql, &tokens).columns();
            columns.extend(named.into_iter().filter_map(|(name, _)| name));
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut listed = Vec::new();
        for item in self.reader.list(entry.value, &entry.at)? {
            let at = At::new("a listed row", item.place);
            let mut row = Row::new();
            for entry in self.reader.entries(item, &at)? {
                if !columns.contains(&entry.name) {
                    self.reader.unknown(entry.at.place, "column", entry.name, &columns);
                }
                let cell = self.cell(entry.value, &entry.at)?;
                row.insert(entry.name.to_owned(), cell);
            }
            listed.push(row);
        }
        Some(listed)
    }

    /// `table: [ { column: value } ]`.
    fn rows(&mut self, fields: &Fields<'_>, key: &str) -> Vec<Given> {
        let mut rows = Vec::new();
        let Some(entry) = fields.get(key) else { return rows };
        for entry in self.reader.entries(entry.value, &entry.at).unwrap_or_default() {
            if !self.is_table(&entry) {
                continue;
            }
            for item in self.reader.list(entry.value, &entry.at).unwrap_or_default() {
                let at = At::new(format!("a row of {}", entry.name), item.place);
                if let Some(row) = self.row(entry.name, item, &at) {
                    rows.push(Given { table: entry.name.to_owned(), row, place: item.place });
                }
            }
        }
        rows
    }

    fn is_table(&mut self, entry: &Entry<'_>) -> bool {
        self.known_table(entry.name, entry.at.place)
    }

    fn known_table(&mut self, name: &str, place: Place) -> bool {
        let known = self.tables.tables.contains_key(name);
        if !known {
            let names: Vec<&str> = self.tables.tables.keys().map(String::as_str).collect();
            self.reader.unknown(place, "table", name, &names);
        }
        known
    }

    fn row(&mut self, table: &str, node: &Node, at: &At) -> Option<Row> {
        let table = self.tables.tables.get(table)?;
        let columns: Vec<&str> = table.needs.iter().chain(&table.knows).map(String::as_str).collect();
        let mut row = Row::new();
        for entry in self.reader.entries(node, at)? {
            if !columns.contains(&entry.name) {
                self.reader.unknown(entry.at.place, "column", entry.name, &columns);
                continue;
            }
            let cell = self.cell(entry.value, &entry.at)?;
            row.insert(entry.name.to_owned(), cell);
        }
        Some(row)
    }

    /// A value in the form that PostgreSQL reads. No value is NULL, and lists and maps are JSON.
    fn cell(&mut self, node: &Node, at: &At) -> Option<Cell> {
        match &node.value {
            Value::Nothing => Some(Cell::Null),
            Value::Text(text) if text.is_empty() => Some(Cell::Text(String::new())),
            Value::Text(_) => self.reader.lines(node, at).map(|text| Cell::Text(text.to_owned())),
            Value::List(_) | Value::Map(_) => Some(Cell::Text(json(node).to_string())),
        }
    }
}

/// The reason why a value, in the form in which it travels, is not of this type.
fn unfit(kind: &Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Password { .. } => PasswordHash::parse(Secret::new(text.to_owned())).err().map(|_| {
            "is not the hash of a password, as it travels: $argon2id$v=19$m=65536,t=3,p=4$…".to_owned()
        }),
        kind => refusal(kind, text),
    }
}

/// The codes of the warnings that an action may give.
fn codes(definition: &Definition) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for step in &definition.steps {
        if let Step::Require(guard) | Step::Refuse(guard) = step
            && let Otherwise::Warn(code) = &guard.otherwise
        {
            codes.insert(code.clone());
        }
    }
    if let Some(subject) = &definition.subject {
        codes.extend(subject.warn.iter().map(|watch| watch.code.clone()));
        codes.extend(subject.look_alikes.iter().map(|_| "look_alike".to_owned()));
    }
    codes
}

/// A value as JSON. A scalar without quotes that looks like a number or a truth value is one.
fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Nothing => serde_json::Value::Null,
        Value::Text(text) => {
            let plain = text.parse::<i64>().is_ok() || ["true", "false"].contains(&text.as_str());
            match serde_json::from_str(text) {
                Ok(value) if plain => value,
                _ => serde_json::Value::String(text.clone()),
            }
        }
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| match &key.value {
                Value::Text(key) => (key.clone(), json(value)),
                other => (other.what(), json(value)),
            })
            .collect(),
    }
}
