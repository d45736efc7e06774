//! `actions`: reads every action of the file and puts its parts together.
//!
//! To add a key: `KEYS` and its reading here, its field in the crate `actions`, and the mistakes in
//! `tests/application/mistakes.rs`.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_actions::{
    Action, BindType, Condition, Definition, Expected, Kind, Listing, Parameter, Record, Slot, Subject,
    SubjectWords, Table, Text, Undo, Words,
};

use quill_admin_yaml::{Node, Place, Value};

use crate::calls::{self, Callee, Pending};
use crate::jobs;
use crate::names::{COMMAND_RULE, COMMANDS, is_command};
use crate::parameters::{self, Parameters, Shared};
use crate::places::Places;
use crate::reader::{At, Entry, Fields, Reader};
use crate::statement::{Draft, Purpose};
use crate::steps::{self, Around, Steps};
use crate::subjects::{Drafted, Subjects, said};
use crate::tables::Tables;
use crate::text::{self, Fields as Named, NO_SUBJECT, NOT_THERE, NOT_YET, Scope};

/// The parts of the file that actions refer to.
pub(crate) struct Parts<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) shared: &'a Shared,
    pub(crate) subjects: &'a Subjects,
}

const KEYS: [&str; 17] = [
    "alias",
    "about",
    "short_about",
    "parameters",
    "needs",
    "subject",
    "read",
    "steps",
    "rows",
    "created",
    "already",
    "taken",
    "silence",
    "undo",
    "job",
    "variables",
    "timeout",
];

/// Reads all actions.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    top: &Fields<'_>,
    parts: &Parts<'_>,
    places: &mut Places,
) -> Vec<Action> {
    let why = "it holds the actions";
    let Some(entry) = reader.needed(top, "actions", why).cloned() else { return Vec::new() };
    let entries = reader.entries(entry.value, &entry.at).unwrap_or_default();
    names(reader, &entries);
    let mut actions = Vec::new();
    let mut calls = Vec::new();
    let mut callees = BTreeMap::new();
    for entry in &entries {
        let mut one = One { reader, parts, entry, calls: &mut calls };
        let (callee, action) = one.read(places);
        // An action with a mistake can still be called; otherwise every call of it would be a further
        // mistake.
        callees.insert(entry.name.to_owned(), callee);
        actions.extend(action);
    }
    let of_subjects = parts.subjects.values().flatten().flat_map(|subject| &subject.calls);
    for pending in calls.iter().chain(of_subjects) {
        calls::judge(reader, pending, &callees);
    }
    actions
}

/// Reports names that are not allowed, and names that two actions share.
fn names(reader: &mut Reader<'_>, entries: &[Entry<'_>]) {
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    // Names come before aliases, so that the alias is the one that is refused.
    let of_actions = entries.iter().map(|entry| ("action", entry.name, entry.at.place));
    for (what, name, place) in of_actions.chain(entries.iter().filter_map(alias)) {
        if !is_command(name) {
            let what = format!("\"{}\" is not the name of an {what}: it {COMMAND_RULE}", name.escape_debug());
            reader.tell(place, what);
        } else if COMMANDS.contains(&name) {
            reader.tell(place, format!("no {what} can be called {name}: it is a command of quill-admin"));
        } else if let Some(first) = seen.get(name) {
            reader
                .tell(place, format!("the {what} {name} is the name or alias of another action, at {first}"));
        } else {
            seen.insert(name, place);
        }
    }
}

/// The alias of an action, read before the action itself.
fn alias<'n>(entry: &Entry<'n>) -> Option<(&'static str, &'n str, Place)> {
    let Value::Map(map) = &entry.value.value else { return None };
    let (_, value) =
        map.iter().find(|(key, _)| matches!(&key.value, Value::Text(name) if name == "alias"))?;
    match &value.value {
        Value::Text(name) => Some(("alias", name, value.place)),
        _ => None,
    }
}

/// An action that is being read.
struct One<'r, 'd, 'p, 'n> {
    reader: &'r mut Reader<'d>,
    parts: &'p Parts<'p>,
    entry: &'p Entry<'n>,
    calls: &'r mut Vec<Pending>,
}

/// An action's reference to its subject.
struct About<'p> {
    name: String,
    expected: Expected,
    drafted: &'p Drafted,
}

impl<'p> One<'_, '_, 'p, '_> {
    fn read(&mut self, places: &mut Places) -> (Callee, Option<Action>) {
        let name = self.entry.name;
        let at = At::new(format!("the action {}", name.escape_debug()), self.entry.at.place);
        let mut callee = Callee {
            parameters: BTreeMap::new(),
            open: true,
            subject: None,
            about_nothing: false,
            read: None,
        };
        let told = self.reader.told();
        if jobs::is_one(self.entry) {
            callee.open = false;
            callee.about_nothing = true;
            let action = jobs::read(self.reader, self.entry, &self.parts.tables.schema);
            return (callee, action.filter(|_| self.reader.told() == told));
        }
        let Some(fields) = self.reader.fields(self.entry.value, &at, &KEYS) else { return (callee, None) };
        for key in ["variables", "timeout"] {
            if let Some(entry) = fields.get(key) {
                self.reader.tell(entry.at.place, format!("\"{key}\" is for actions that run a \"job\""));
            }
        }
        let parameters = self.parameters(&fields);
        callee.open = parameters.open;
        callee.parameters = parameters
            .list
            .iter()
            .map(|(name, declared)| {
                (name.clone(), Some(declared.parameter.clone()).filter(|_| declared.valid))
            })
            .collect();
        let read = match fields.get("read") {
            Some(entry) => self.reader.flag(entry.value, &entry.at),
            None => Some(false),
        };
        callee.read = read;
        let needs = self.needs(&fields);
        let about = self.about(&fields, &parameters);
        callee.about_nothing = fields.get("subject").is_none();
        callee.subject = about.as_ref().map(|about| about.name.clone());
        let whole = Whole { fields: &fields, parameters: &parameters, needs, read, about };
        let action = self.whole(&whole, places);
        (callee, action.filter(|_| self.reader.told() == told))
    }

    fn parameters(&mut self, fields: &Fields<'_>) -> Parameters {
        let Some(entry) = fields.get("parameters") else {
            return Parameters { list: Vec::new(), open: false };
        };
        let (tables, shared) = (self.parts.tables, self.parts.shared);
        parameters::of_action(self.reader, entry, tables, shared)
    }

    fn needs(&mut self, fields: &Fields<'_>) -> BTreeSet<Condition> {
        let Some(entry) = fields.get("needs") else { return BTreeSet::new() };
        let nodes: Vec<&Node> = match &entry.value.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![entry.value],
        };
        let tables = self.parts.tables;
        nodes.into_iter().filter_map(|node| tables.condition(self.reader, node, &entry.at)).collect()
    }

    fn about(&mut self, fields: &Fields<'_>, parameters: &Parameters) -> Option<About<'p>> {
        let entry = fields.get("subject")?;
        let entries = self.reader.entries(entry.value, &entry.at)?;
        let [subject] = entries.as_slice() else {
            let what = "an action is about one subject, as in \"subject: { user: must exist }\"";
            self.reader.tell(entry.value.place, what);
            return None;
        };
        let at = At::new(format!("the subject {}", subject.name.escape_debug()), subject.at.place);
        let allowed = Expected::ALL.map(|expected| (expected.as_str(), expected));
        let expected = self.reader.one_of(subject.value, &at, &allowed)?;
        let Some(drafted) = self.parts.subjects.get(subject.name) else {
            let names: Vec<&str> = self.parts.subjects.keys().map(String::as_str).collect();
            self.reader.unknown(subject.at.place, "subject", subject.name, &names);
            return None;
        };
        let drafted = drafted.as_ref()?;
        for key in &drafted.key {
            match parameters.get(key) {
                None if parameters.open => {}
                None => {
                    let what =
                        format!("a {} is known by {key}, which is not among the parameters", subject.name);
                    self.reader.tell(subject.at.place, what);
                }
                Some(declared) if !declared.valid => {}
                Some(declared) if declared.parameter.many || !declared.parameter.is_required() => {
                    let what = format!(
                        "a {} is known by {key}, so that it is one value and has to be given",
                        subject.name
                    );
                    self.reader.tell(declared.place, what);
                }
                Some(_) => {}
            }
        }
        if drafted.key.is_empty() && expected != Expected::MustExist {
            let what = format!("there is one {} only, since it has no \"key\": it must exist", subject.name);
            self.reader.tell(subject.value.place, what);
        }
        Some(About { name: subject.name.to_owned(), expected, drafted })
    }

    /// Reads the keys that depend on parameters and subject.
    fn whole(&mut self, whole: &Whole<'_, 'p>, places: &mut Places) -> Option<Action> {
        let Whole { fields, parameters, .. } = whole;
        let mut words = Words { alias: self.text(fields, "alias"), ..Words::default() };
        let why = "it says what the action does, as in \"gives an existing user a role\"";
        self.reader.needed(fields, "about", why);
        words.about = self.text(fields, "about").unwrap_or_default();
        words.short_about = self.text(fields, "short_about");
        words.parameters = parameters.list.iter().map(|(_, declared)| declared.words.clone()).collect();

        let steps = self.steps(whole);
        let rows = self.rows(whole);
        self.shape(whole, &steps);
        words.steps.clone_from(&steps.words);
        let taken = self.said(whole, &mut words);
        let silence = self.silence(whole);
        let undo = self.undo(whole, &mut words);
        self.calls.extend(steps.calls.iter().cloned());

        // From here on only mistakes of parameters are reported, and only if everything could be read.
        let read = whole.read?;
        let subject = Self::subject(whole, taken, &mut words)?;
        if steps.broken || (rows.is_none() && fields.get("rows").is_some()) {
            return None;
        }
        let drafts = drafts(whole, &steps, rows.as_ref().map(|(_, draft)| draft));
        self.unused(parameters, &drafts);
        for (slot, draft) in &drafts {
            places.insert(self.entry.name, *slot, draft);
        }
        let tables = self.tables(whole, &drafts);
        let definition = Definition {
            schema: self.parts.tables.schema.clone(),
            tables,
            needs: whole.needs.clone(),
            parameters: parameters
                .list
                .iter()
                .map(|(name, declared)| (name.clone(), declared.parameter.clone()))
                .collect(),
            subject,
            read,
            steps: steps.list,
            rows: rows.map(|(listing, _)| listing),
            silence,
            undo,
            job: None,
        };
        Some(Action { name: self.entry.name.to_owned(), definition, words })
    }

    fn text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let entry = fields.get(key)?;
        self.reader.text(entry.value, &entry.at).map(str::to_owned)
    }

    fn steps(&mut self, whole: &Whole<'_, '_>) -> Steps {
        let Some(entry) = whole.fields.get("steps") else { return Steps::default() };
        let expected = whole.about.as_ref().map(|about| about.expected);
        let around = Around {
            tables: self.parts.tables,
            needs: &whole.needs,
            scope: whole.scope(),
            either: expected == Some(Expected::MayExist),
            there: expected != Some(Expected::MustNotExist) && expected != Some(Expected::MayExist),
            kind: &|name| whole.kind(name),
        };
        steps::read(self.reader, entry, &around)
    }

    fn rows(&mut self, whole: &Whole<'_, '_>) -> Option<(Listing, Draft)> {
        let entry = whole.fields.get("rows")?;
        let fields = self.reader.fields(entry.value, &entry.at, &["sql", "max", "record"])?;
        let sql = self.reader.needed(&fields, "sql", "it is the query").cloned();
        let names = whole.parameters.known();
        let tables = self.parts.tables;
        let draft = sql.and_then(|entry| {
            Draft::read(self.reader, entry.value, &entry.at, Purpose::Columns, tables, &names)
        });
        let max = self.reader.needed(&fields, "max", "it says how many rows are listed at most").cloned();
        let max = max.and_then(|entry| self.reader.number(entry.value, &entry.at, 1, 10_000));
        if let Some(entry) = fields.get("record") {
            self.reader.one_of(entry.value, &entry.at, &[("count", Record::Count)])?;
        }
        let draft = draft?;
        let query = draft.bind(|name| whole.kind(name))?;
        Some((Listing { query, max: max?, record: Record::Count }, draft))
    }

    /// Checks that the parts fit together and that the action does something.
    fn shape(&mut self, whole: &Whole<'_, '_>, steps: &Steps) {
        let place = self.entry.at.place;
        let Whole { fields, read, about, .. } = whole;
        let subject = fields.get("subject").is_some();
        match read {
            // The value of "read" could not be read.
            None => {}
            Some(true) => {
                if let Some(place) = steps.writes {
                    self.reader.tell(place, "this action says \"read: true\", and here it writes");
                }
                if fields.get("rows").is_none() && !subject {
                    let what = "this action shows nothing: give it a \"subject\", or \"rows\" to list";
                    self.reader.tell(place, what);
                }
            }
            Some(false) => {
                if let Some(entry) = fields.get("rows") {
                    self.reader
                        .tell(entry.at.place, "\"rows\" is for actions that only read (\"read: true\")");
                }
                if !subject {
                    let names = self.parts.subjects.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    let there = if names.is_empty() { "none".to_owned() } else { names };
                    let what = format!(
                        "an action that writes has a \"subject\": what it is about, read before and after; declared \
                         under \"subjects\": {there}"
                    );
                    self.reader.tell(place, what);
                }
                if steps.writes.is_none() && !steps.broken {
                    let what = "no step of this action writes; say \"read: true\" if none is meant to";
                    self.reader.tell(place, what);
                }
                let unlocked =
                    |about: &&About<'_>| about.drafted.lock.is_none() && !about.drafted.key.is_empty();
                if let Some(about) = about.as_ref().filter(unlocked) {
                    let what =
                        format!("{} changes a {}, which needs a \"lock\"", self.entry.name, about.name);
                    self.reader.tell(about.drafted.place, what);
                }
            }
        }
    }

    /// Reads the messages of outcomes. Returns the exit code and the message for a subject that must not
    /// exist and does.
    fn said(&mut self, whole: &Whole<'_, '_>, words: &mut Words) -> Option<(u8, Text)> {
        let Whole { fields, read, about, .. } = whole;
        let expected = about.as_ref().map(|about| about.expected);
        let writes = *read == Some(false);
        let fits = |key: &str| match key {
            "already" => writes && expected != Some(Expected::MustNotExist),
            "created" => writes && matches!(expected, Some(Expected::MayExist | Expected::MustNotExist)),
            _ => expected == Some(Expected::MustNotExist),
        };
        let known = about.is_some() && read.is_some();
        for (key, when) in [
            ("already", "actions that write and whose subject may be there before"),
            ("created", "actions that write and whose subject may or must not exist"),
            ("taken", "actions whose subject must not exist"),
        ] {
            if let Some(entry) = fields.get(key).filter(|_| known && !fits(key)) {
                self.reader.tell(entry.at.place, format!("\"{key}\" is for {when}"));
            }
        }
        if known && fits("taken") {
            self.reader.needed(fields, "taken", "it says how the action ends where there is one already");
        }
        let scope = whole.scope();
        words.already =
            fields.get("already").and_then(|entry| text::read(self.reader, entry.value, &entry.at, &scope));
        let created = Scope { before: Named::None(NOT_THERE), ..scope.clone() };
        words.created =
            fields.get("created").and_then(|entry| text::read(self.reader, entry.value, &entry.at, &created));
        let taken = Scope { before: Named::None(NOT_YET), after: Named::None(NOT_YET), ..scope };
        fields.get("taken").and_then(|entry| said(self.reader, entry, &taken))
    }

    fn silence(&mut self, whole: &Whole<'_, '_>) -> BTreeSet<String> {
        let Some(entry) = whole.fields.get("silence") else { return BTreeSet::new() };
        let watches = whole.about.iter().flat_map(|about| &about.drafted.watches);
        let known: Vec<&str> = watches.map(|watch| watch.code.as_str()).collect();
        let mut silence = BTreeSet::new();
        for (code, place) in self.reader.texts(entry.value, &entry.at).unwrap_or_default() {
            if whole.about.is_some() && !known.contains(&code) {
                self.reader.unknown(place, "warning", code, &known);
            }
            silence.insert(code.to_owned());
        }
        silence
    }

    fn undo(&mut self, whole: &Whole<'_, '_>, words: &mut Words) -> Undo {
        let mut undo = Undo::default();
        let Some(entry) = whole.fields.get("undo") else { return undo };
        let Some(fields) = self.reader.fields(entry.value, &entry.at, &["created", "updated"]) else {
            return undo;
        };
        let expected = whole.about.as_ref().map(|about| about.expected);
        for (key, impossible) in [("created", Expected::MustExist), ("updated", Expected::MustNotExist)] {
            let Some(entry) = fields.get(key) else { continue };
            if whole.read == Some(true) || expected == Some(impossible) {
                let what = format!("nothing is {key} by this action, so that there is nothing to undo");
                self.reader.tell(entry.at.place, what);
                continue;
            }
            let scope = whole.scope();
            let scope =
                if key == "updated" { scope } else { Scope { before: Named::None(NOT_THERE), ..scope } };
            let says = matches!(&entry.value.value, Value::Map(map) if map.iter().any(|(key, _)| {
                matches!(&key.value, Value::Text(name) if name == "say")
            }));
            if says {
                let said = self.reader.fields(entry.value, &entry.at, &["say"]);
                let said = said.and_then(|fields| fields.get("say").cloned());
                let said = said.and_then(|entry| text::read(self.reader, entry.value, &entry.at, &scope));
                if key == "created" {
                    words.undo.created = said;
                } else {
                    words.undo.updated = said;
                }
                continue;
            }
            let subject = whole.about.as_ref().map(|about| about.name.clone());
            let Some(pending) = calls::read(self.reader, entry, &scope, subject) else { continue };
            let call = Some(pending.call.clone());
            if key == "created" {
                undo.created = call;
            } else {
                undo.updated = call;
            }
            self.calls.push(pending);
        }
        undo
    }

    /// The subject in the action's form; the outer `None` means that it could not be read.
    #[expect(clippy::option_option, reason = "an action without a subject is none that is not known")]
    fn subject(
        whole: &Whole<'_, '_>,
        taken: Option<(u8, Text)>,
        words: &mut Words,
    ) -> Option<Option<Subject>> {
        if whole.fields.get("subject").is_none() {
            return Some(None);
        }
        let About { name, expected, drafted } = whole.about.as_ref()?;
        let (exit, unexpected) = match expected {
            Expected::MustExist => drafted.absent.clone().unzip(),
            Expected::MayExist => (None, None),
            Expected::MustNotExist => taken.unzip(),
        };
        let bind = |draft: &Option<Draft>, wanted: bool| match draft {
            Some(draft) if wanted => draft.bind(|name| whole.kind(name)).map(Some),
            _ => Some(None),
        };
        words.subject = Some(SubjectWords { unexpected, ..drafted.words.clone() });
        Some(Some(Subject {
            name: name.clone(),
            expected: *expected,
            key: drafted.key.clone(),
            lock: bind(&drafted.lock, whole.read == Some(false))?,
            query: drafted.query.bind(|name| whole.kind(name))?,
            fields: drafted.words.fields.iter().map(|words| words.field.clone()).collect(),
            hidden: drafted.words.hidden.keys().cloned().collect(),
            exit,
            look_alikes: bind(&drafted.look_alikes, whole.makes())?,
            warn: drafted.watches.clone(),
        }))
    }

    /// Reports parameters that no statement uses and that are not recorded.
    fn unused(&mut self, parameters: &Parameters, drafts: &[(Slot<'_>, &Draft)]) {
        let used: BTreeSet<&str> = drafts.iter().flat_map(|(_, draft)| draft.parameters()).collect();
        for (name, declared) in &parameters.list {
            let goes_somewhere = used.contains(name.as_str()) || declared.parameter.recorded;
            if !goes_somewhere && declared.valid && !parameters.open {
                let mut what = format!("no statement of {} uses the parameter {name}", self.entry.name);
                if !declared.parameter.is_secret() {
                    what.push_str("; one that is only to be recorded says \"recorded: true\"");
                }
                self.reader.tell(declared.place, what);
            }
        }
    }

    /// The tables that are used, with the rights that are needed.
    fn tables(&self, whole: &Whole<'_, '_>, drafts: &[(Slot<'_>, &Draft)]) -> BTreeMap<String, Table> {
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let all = &self.parts.tables.tables;
        let mut table = |name: &String, right| {
            let Some(known) = all.get(name) else { return };
            let used = tables
                .entry(name.clone())
                .or_insert_with(|| Table { rights: BTreeSet::new(), ..known.clone() });
            used.rights.extend(right);
        };
        for (_, draft) in drafts {
            for (name, right) in draft.tables() {
                table(name, Some(*right));
            }
            for condition in draft.conditions() {
                table(&condition.table, None);
            }
        }
        let values = whole.parameters.list.iter().flat_map(|(_, declared)| conditions(&declared.parameter));
        for condition in values.chain(&whole.needs) {
            table(&condition.table, None);
        }
        tables
    }
}

/// The conditions of a parameter's values.
fn conditions(parameter: &Parameter) -> Vec<&Condition> {
    match &parameter.kind {
        Kind::OneOf { values } => values.values().filter_map(|value| value.condition.as_ref()).collect(),
        _ => Vec::new(),
    }
}

/// The parts of an action that are known once its parameters and its subject have been read.
struct Whole<'a, 'p> {
    fields: &'a Fields<'a>,
    parameters: &'a Parameters,
    needs: BTreeSet<Condition>,
    /// Whether the action only reads; `None` where that could not be read.
    read: Option<bool>,
    /// The subject; `None` where there is none, or where it could not be read.
    about: Option<About<'p>>,
}

impl Whole<'_, '_> {
    fn kind(&self, name: &str) -> Option<BindType> {
        self.parameters.get(name).map(|declared| declared.parameter.bind_type())
    }

    /// Whether the action may create its subject.
    fn makes(&self) -> bool {
        let may = self.about.as_ref().is_some_and(|about| about.expected != Expected::MustExist);
        may && self.read == Some(false)
    }

    /// The values that texts may name which are shown after the action.
    fn scope(&self) -> Scope<'_> {
        let secret = self.parameters.list.iter().filter(|(_, declared)| declared.parameter.is_secret());
        let fields = match &self.about {
            Some(about) => {
                let everywhere = steps::shared_columns(&about.drafted.query, &self.needs);
                let shown = about.drafted.words.fields.iter().map(|words| words.field.as_str());
                let (always, sometimes) =
                    shown.partition(|name| everywhere.iter().any(|column| column == name));
                Named::These { always, sometimes }
            }
            None if self.fields.get("subject").is_some() => Named::Open,
            None => Named::None(NO_SUBJECT),
        };
        Scope {
            parameters: self.parameters.known(),
            secret: secret.map(|(name, _)| name.as_str()).collect(),
            before: fields.clone(),
            after: fields,
            found: Some(Vec::new()),
        }
    }
}

/// All statements of an action.
fn drafts<'a>(
    whole: &'a Whole<'_, '_>,
    steps: &'a Steps,
    rows: Option<&'a Draft>,
) -> Vec<(Slot<'a>, &'a Draft)> {
    let mut drafts: Vec<(Slot<'_>, &Draft)> = Vec::new();
    if let Some(About { drafted, .. }) = &whole.about {
        let writes = whole.read == Some(false);
        drafts.extend(drafted.lock.as_ref().filter(|_| writes).map(|draft| (Slot::Lock, draft)));
        drafts.push((Slot::Query, &drafted.query));
        let look_alikes = drafted.look_alikes.as_ref().filter(|_| whole.makes());
        drafts.extend(look_alikes.map(|draft| (Slot::LookAlikes, draft)));
    }
    for (name, declared) in &whole.parameters.list {
        drafts.extend(declared.exists.as_ref().map(|draft| (Slot::Exists(name), draft)));
    }
    drafts.extend(steps.drafts.iter().enumerate().map(|(index, draft)| (Slot::Step(index), draft)));
    drafts.extend(rows.map(|draft| (Slot::Rows, draft)));
    drafts
}
