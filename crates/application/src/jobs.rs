//! `job`: reads actions that run a job of the application's own.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_actions::{Action, Definition, Job, Undo, Words};
use quill_admin_contract::variable;
use quill_admin_yaml::Value;

use crate::reader::{At, Entry, Fields, Reader};

const KEYS: [&str; 6] = ["alias", "about", "short_about", "job", "variables", "timeout"];

/// The variables that every run is given in addition to the declared ones.
static OURS: [&variable::Variable; 4] = [
    &variable::ADMIN_REQUEST_ID,
    &variable::ADMIN_ACTOR,
    &variable::ADMIN_REASON,
    &variable::ADMIN_PROOF_KEY,
];

/// Whether an action runs a job.
pub(crate) fn is_one(entry: &Entry<'_>) -> bool {
    let Value::Map(map) = &entry.value.value else { return false };
    map.iter().any(|(key, _)| matches!(&key.value, Value::Text(name) if name == "job"))
}

pub(crate) fn read(reader: &mut Reader<'_>, entry: &Entry<'_>, schema: &str) -> Option<Action> {
    let at = At::new(format!("the action {}, which runs a job,", entry.name.escape_debug()), entry.at.place);
    let fields = reader.fields(entry.value, &at, &KEYS)?;
    let text = |reader: &mut Reader<'_>, key: &str| {
        fields.get(key).and_then(|entry| reader.text(entry.value, &entry.at)).map(str::to_owned)
    };
    reader.needed(&fields, "about", "it says what the job does, as in \"brings the tables up to date\"");
    let words = Words {
        alias: text(reader, "alias"),
        about: text(reader, "about").unwrap_or_default(),
        short_about: text(reader, "short_about"),
        ..Words::default()
    };
    let name = fields.get("job").and_then(|entry| name(reader, entry));
    let variables = variables(reader, &fields);
    let timeout = match fields.get("timeout") {
        Some(entry) => timeout(reader, entry),
        None => Some(Job::TIMEOUT),
    };
    let job = Job { name: name?, variables, timeout: timeout? };
    let definition = Definition {
        schema: schema.to_owned(),
        tables: BTreeMap::new(),
        needs: BTreeSet::new(),
        parameters: BTreeMap::new(),
        subject: None,
        read: false,
        steps: Vec::new(),
        rows: None,
        silence: BTreeSet::new(),
        undo: Undo::default(),
        job: Some(job),
    };
    Some(Action { name: entry.name.to_owned(), definition, words })
}

/// The name of a job of Cloud Run, with `{env}` and `{project}` in it.
fn name(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<String> {
    let name = reader.text(entry.value, &entry.at)?;
    let filled = name.replace("{env}", "env").replace("{project}", "project");
    let valid = filled.len() <= 63
        && filled.starts_with(|c: char| c.is_ascii_lowercase())
        && !filled.ends_with('-')
        && filled.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !valid {
        let what = format!(
            "\"{}\" is not the name of a job: it has up to 63 lower-case letters, digits and hyphens, begins with a \
             letter and does not end with a hyphen; {{env}} and {{project}} may stand in it",
            name.escape_debug()
        );
        reader.tell(entry.value.place, what);
    }
    valid.then(|| name.to_owned())
}

fn variables(reader: &mut Reader<'_>, fields: &Fields<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let Some(entry) = fields.get("variables") else { return variables };
    for entry in reader.entries(entry.value, &entry.at).unwrap_or_default() {
        let name = entry.name;
        let plain = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !plain || name.starts_with("CLOUD_RUN_") {
            let what = format!(
                "\"{}\" is no variable to set: its name has upper-case letters, digits and underscores, and is none of \
                 Cloud Run's own (CLOUD_RUN_…)",
                name.escape_debug()
            );
            reader.tell(entry.at.place, what);
        }
        if OURS.iter().any(|ours| ours.name == name) {
            let what = format!(
                "\"{name}\" is set by quill-admin itself: it says which request a run is, whose and why, and a run is \
                 known again by it"
            );
            reader.tell(entry.at.place, what);
        }
        if let Some(text) = reader.text(entry.value, &entry.at) {
            variables.insert(name.to_owned(), text.to_owned());
        }
    }
    variables
}

/// A duration, as `900s`, `15m` or `2h`.
fn timeout(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<u32> {
    let seconds = match &entry.value.value {
        Value::Text(text) => [("s", 1), ("m", 60), ("h", 3600)].into_iter().find_map(|(unit, seconds)| {
            let number = text.strip_suffix(unit)?;
            let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            number.parse::<u32>().ok().filter(|_| digits)?.checked_mul(seconds)
        }),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| (1..=Job::LONGEST).contains(seconds));
    if seconds.is_none() {
        let what = format!(
            "\"timeout\" is how long a run may take, as in 900s, 15m or 2h, up to 168h; not {}",
            entry.value.value.what()
        );
        reader.tell(entry.value.place, what);
    }
    seconds
}
