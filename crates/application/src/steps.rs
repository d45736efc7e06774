//! `steps`: reads the steps of an action.
//!
//! To add a kind of step: `VERBS`, `KEYS` and `one` here, `step.rs` of the crate `actions`, and `steps.rs` of the
//! crate `engine`.

use std::collections::BTreeSet;

use quill_admin_actions::{
    BindType, Condition, Guard, Otherwise, RowRange, Step, StepWords, Text, When, Write,
};

use quill_admin_yaml::{Node, Place, Value};

use crate::calls::{self, Pending};
use crate::parameters::exit_code;
use crate::reader::{At, Entry, Reader};
use crate::statement::{Draft, Purpose};
use crate::subjects::code;
use crate::tables::Tables;
use crate::text::{self, Fields, NOT_THERE, NOT_YET, Scope};

/// The surroundings of steps: the values that they may name, and the action that they belong to.
pub(crate) struct Around<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) needs: &'a BTreeSet<Condition>,
    /// The parameters, the secret ones among them, and the subject's fields.
    pub(crate) scope: Scope<'a>,
    /// Whether the subject may or may not exist, so that a step may depend on it.
    pub(crate) either: bool,
    /// Whether the subject exists before the action.
    pub(crate) there: bool,
    /// The type as which a parameter is sent.
    pub(crate) kind: &'a dyn Fn(&str) -> Option<BindType>,
}

/// Steps that were read.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) list: Vec<Step>,
    pub(crate) words: Vec<StepWords>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) calls: Vec<Pending>,
    /// The first step that writes.
    pub(crate) writes: Option<Place>,
    /// Whether some steps could not be read.
    pub(crate) broken: bool,
}

const KEYS: [&str; 6] = ["require", "refuse", "write", "else", "when", "rows"];
const VERBS: [&str; 3] = ["require", "refuse", "write"];

/// The highest limit for the rows of one write.
const MOST_ROWS: u32 = 10_000;

pub(crate) fn read(reader: &mut Reader<'_>, entry: &Entry<'_>, around: &Around<'_>) -> Steps {
    let mut steps = Steps::default();
    let items = reader.list(entry.value, &entry.at);
    steps.broken = items.is_none();
    for item in items.unwrap_or_default() {
        match one(reader, item, around) {
            Some((step, words, draft, call)) => {
                if let Step::Write(_) = step {
                    steps.writes.get_or_insert(item.place);
                }
                steps.list.push(step);
                steps.words.push(words);
                steps.drafts.push(draft);
                steps.calls.extend(call);
            }
            None => steps.broken = true,
        }
    }
    steps
}

type Read = (Step, StepWords, Draft, Option<Pending>);

fn one(reader: &mut Reader<'_>, item: &Node, around: &Around<'_>) -> Option<Read> {
    let at = At::new("a step", item.place);
    if let Value::Map(map) = &item.value
        && let Some(Value::Text(first)) = map.first().map(|(key, _)| &key.value)
        && !KEYS.contains(&first.as_str())
    {
        reader.unknown(item.place, "step", first, &VERBS);
        return None;
    }
    let fields = reader.fields(item, &at, &KEYS)?;
    let verbs: Vec<&Entry<'_>> = fields.iter().filter(|entry| VERBS.contains(&entry.name)).collect();
    let [verb] = verbs.as_slice() else {
        let what = format!("a step has exactly one of: {}; this one has {}", VERBS.join(", "), verbs.len());
        reader.tell(item.place, what);
        return None;
    };
    let writes = verb.name == "write";
    let purpose = if writes { Purpose::Write } else { Purpose::Guard };
    let draft = Draft::read(reader, verb.value, &verb.at, purpose, around.tables, &around.scope.parameters);
    let superfluous: &[&str] = if writes { &["else"] } else { &["rows"] };
    for entry in fields.iter().filter(|entry| superfluous.contains(&entry.name)) {
        let of = if writes { "a \"require\" or \"refuse\"" } else { "a \"write\"" };
        reader.tell(entry.at.place, format!("\"{}\" belongs to {of}", entry.name));
    }
    let when = fields.get("when").and_then(|entry| {
        let when =
            reader.one_of(entry.value, &entry.at, &[("absent", When::Absent), ("present", When::Present)]);
        if when.is_some() && !around.either {
            let what = "\"when\" is for actions whose subject may exist; here it is known whether it does";
            reader.tell(entry.at.place, what);
        }
        when
    });
    if writes {
        let rows =
            fields.get("rows").map_or(Some(RowRange { min: 0, max: 1 }), |entry| rows(reader, entry))?;
        let draft = draft?;
        let statement = draft.bind(around.kind)?;
        return Some((Step::Write(Write { statement, when, rows }), StepWords::default(), draft, None));
    }
    let there = around.there || when == Some(When::Present);
    let found = match (&draft, verb.name) {
        (Some(draft), "refuse") => Some(shared_columns(draft, around.needs)),
        (None, "refuse") => None,
        _ => Some(Vec::new()),
    };
    let scope = Scope {
        before: if there { around.scope.before.clone() } else { Fields::None(NOT_THERE) },
        after: Fields::None(NOT_YET),
        found: found.as_ref().map(|found| found.iter().map(String::as_str).collect()),
        ..around.scope.clone()
    };
    let why = "it says what happens where this does not hold: { exit: 12, say: \"…\" } or { warn: code, say: \"…\" }";
    let entry = reader.needed(&fields, "else", why).cloned();
    let (otherwise, say, call) = entry.and_then(|entry| otherwise(reader, &entry, &scope))?;
    let draft = draft?;
    let guard = Guard { statement: draft.bind(around.kind)?, when, otherwise };
    let step = if verb.name == "require" { Step::Require(guard) } else { Step::Refuse(guard) };
    let words = StepWords { say: Some(say), next: call.as_ref().map(Pending::suggestion) };
    Some((step, words, draft, call))
}

/// Columns that the result has with every alternative.
pub(crate) fn shared_columns(draft: &Draft, needs: &BTreeSet<Condition>) -> Vec<String> {
    let reachable = draft.reachable(needs);
    let Some((first, others)) = reachable.split_first() else { return Vec::new() };
    let everywhere =
        |name: &str| others.iter().all(|other| other.columns.iter().any(|column| column == name));
    first.columns.iter().filter(|name| everywhere(name)).cloned().collect()
}

/// Reads a number of rows, `N` or `A..B`.
fn rows(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<RowRange> {
    let range = match &entry.value.value {
        Value::Text(text) => {
            let (min, max) = text.split_once("..").unwrap_or((text, text));
            min.trim().parse().ok().zip(max.trim().parse().ok()).map(|(min, max)| RowRange { min, max })
        }
        _ => None,
    };
    let range = range.filter(|range| range.min <= range.max && range.max > 0 && range.max <= MOST_ROWS);
    if range.is_none() {
        let what = format!(
            "\"rows\" says how many rows may be changed: a number, or a range as in 0..6, up to {MOST_ROWS}; not {}",
            entry.value.value.what()
        );
        reader.tell(entry.value.place, what);
    }
    range
}

fn otherwise(
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    scope: &Scope<'_>,
) -> Option<(Otherwise, Text, Option<Pending>)> {
    let fields = reader.fields(entry.value, &entry.at, &["exit", "warn", "say", "next"])?;
    let say = reader.needed(&fields, "say", "it is what is told then").cloned();
    let say = say.and_then(|entry| text::read(reader, entry.value, &entry.at, scope));
    let next = fields.get("next").and_then(|entry| calls::read(reader, entry, scope, None));
    let otherwise = match (fields.get("exit"), fields.get("warn")) {
        (Some(exit), None) => exit_code(reader, exit).map(Otherwise::Exit),
        (None, Some(warn)) => code(reader, warn).map(Otherwise::Warn),
        _ => {
            let what = "\"else\" has an \"exit\" (the action ends) or a \"warn\" (it goes on), and not both";
            reader.tell(entry.at.place, what);
            None
        }
    };
    Some((otherwise?, say?, next))
}
