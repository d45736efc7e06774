//! Calls of other actions: undos and suggested next actions. They are read at their place in the file, and
//! judged once all actions are known.

use std::collections::BTreeMap;

use quill_admin_actions::{Call, Parameter, Segment, Suggestion, Text};
use quill_admin_yaml::{Place, Value};

use crate::parameters::refusal;
use crate::reader::{At, Entry, Reader};
use crate::text::{self, Scope};

/// A call that was read.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) call: Call,
    /// The place of the action's name.
    place: Place,
    /// The places of each parameter's name and value.
    places: BTreeMap<String, (Place, Place)>,
    /// For an undo, the subject of the action that is undone; such a call needs all its values.
    undo: Option<String>,
}

impl Pending {
    /// The call as a suggested next action.
    pub(crate) fn suggestion(&self) -> Suggestion {
        Suggestion { action: self.call.action.clone(), with: self.call.with.clone() }
    }
}

/// The properties of an action that are needed to judge calls of it.
#[derive(Debug)]
pub(crate) struct Callee {
    /// The parameters by name; `None` for one that is not valid itself.
    pub(crate) parameters: BTreeMap<String, Option<Parameter>>,
    /// Whether a mistake has been reported that leaves open which other parameters there are.
    pub(crate) open: bool,
    /// The name of its subject; `None` where it has none, or that could not be read.
    pub(crate) subject: Option<String>,
    /// Whether it has no subject.
    pub(crate) about_nothing: bool,
    /// Whether it only reads; `None` where that is not known.
    pub(crate) read: Option<bool>,
}

/// Reads `{ action: …, with: { parameter: value } }`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    scope: &Scope<'_>,
    undo: Option<String>,
) -> Option<Pending> {
    let fields = reader.fields(entry.value, &entry.at, &["action", "with"])?;
    let action = reader.needed(&fields, "action", "it names the action").cloned()?;
    let name = reader.text(action.value, &action.at)?.to_owned();
    let mut with = BTreeMap::new();
    let mut places = BTreeMap::new();
    if let Some(entry) = fields.get("with").filter(|entry| !matches!(entry.value.value, Value::Nothing)) {
        for entry in reader.entries(entry.value, &entry.at)? {
            let at = At::new(format!("the value for {}", entry.name.escape_debug()), entry.at.place);
            let value = text::read(reader, entry.value, &at, scope)?;
            places.insert(entry.name.to_owned(), (entry.at.place, entry.value.place));
            with.insert(entry.name.to_owned(), value);
        }
    }
    Some(Pending { call: Call { action: name, with }, place: action.value.place, places, undo })
}

/// Judges a call, and reports its mistakes.
pub(crate) fn judge(reader: &mut Reader<'_>, pending: &Pending, actions: &BTreeMap<String, Callee>) {
    let name = &pending.call.action;
    let Some(callee) = actions.get(name) else {
        let names: Vec<&str> = actions.keys().map(String::as_str).collect();
        reader.unknown(pending.place, "action", name, &names);
        return;
    };
    let names: Vec<&str> = callee.parameters.keys().map(String::as_str).collect();
    for (parameter, value) in &pending.call.with {
        let Some((at, place)) = pending.places.get(parameter) else { continue };
        match callee.parameters.get(parameter) {
            None if callee.open => {}
            None => reader.unknown(*at, &format!("parameter of {name}"), parameter, &names),
            Some(Some(found)) => value_fits(reader, parameter, found, value, *place),
            Some(None) => {}
        }
    }
    let Some(subject) = &pending.undo else { return };
    if callee.read == Some(true) {
        reader.tell(pending.place, format!("{name} only reads, and undoes nothing"));
        return;
    }
    if callee.about_nothing || callee.subject.as_ref().is_some_and(|other| other != subject) {
        let what = format!("{name} is not about a {subject}, as what it is to undo is");
        reader.tell(pending.place, what);
    }
    for (parameter, found) in &callee.parameters {
        let Some(found) = found.as_ref().filter(|_| !pending.call.with.contains_key(parameter)) else {
            continue;
        };
        if found.is_secret() {
            let what =
                format!("{name} takes a password, which no record holds: an undo is an action without one");
            reader.tell(pending.place, what);
        } else if found.is_required() && !callee.open {
            let what = format!("{name} needs its parameter {parameter}, and \"with\" has no value for it");
            reader.tell(pending.place, what);
        }
    }
}

fn value_fits(reader: &mut Reader<'_>, name: &str, parameter: &Parameter, value: &Text, place: Place) {
    if parameter.is_secret() {
        reader.tell(place, format!("{name} is a secret; it is asked for, and never stands in a file"));
        return;
    }
    if let Some(literal) = value.as_literal()
        && let Some(why) = refusal(&parameter.kind, literal)
    {
        reader.tell(place, format!("the value \"{}\" for {name} {why}", literal.escape_debug()));
    }
    let pieces = value.segments();
    let mixed = pieces.len() > 1 && pieces.iter().any(|piece| !matches!(piece, Segment::Literal(_)));
    if mixed && parameter.many {
        reader.tell(place, format!("{name} takes many values: give it one value in braces, or one text"));
    }
}
