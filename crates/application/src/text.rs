//! Reads texts with placeholders for values.
//!
//! To let texts name another kind of value: [`Scope`] and `segment` here, `Segment` in `text.rs` of the crate
//! `actions`, and `say.rs` of the crate `engine`, which fills it in.

use quill_admin_actions::{Segment, Text};
use quill_admin_yaml::Node;

use crate::reader::{At, Reader};
use crate::statement::Known;

/// The values that a text may name at its place.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    /// Parameters, as in `{username}`.
    pub(crate) parameters: Known<'a>,
    /// The secret parameters among them.
    pub(crate) secret: Vec<&'a str>,
    /// Fields of the subject before the action, as in `{before.email}`.
    pub(crate) before: Fields<'a>,
    /// Fields of the subject after the action.
    pub(crate) after: Fields<'a>,
    /// Columns of the row that was found, or other names for results; `None` where a mistake leaves open
    /// which there are.
    pub(crate) found: Option<Vec<&'a str>>,
}

/// Fields that a text may name.
#[derive(Debug, Clone)]
pub(crate) enum Fields<'a> {
    /// There are no fields, for this reason.
    None(&'static str),
    /// There are these fields.
    These {
        /// Fields that every generation of the tables has.
        always: Vec<&'a str>,
        /// Fields that only some generations have.
        sometimes: Vec<&'a str>,
    },
    /// A mistake has been reported that leaves open which fields there are.
    Open,
}

/// The reason why a name may not stand in braces.
enum Refusal {
    /// Nothing has this name.
    Unknown,
    /// This reason, in words.
    Because(String),
}

impl Fields<'_> {
    fn names(&self) -> &[&str] {
        match self {
            Self::These { always, .. } => always,
            Self::None(_) | Self::Open => &[],
        }
    }

    /// The reason why a field may not be named, if there is one.
    fn refusal(&self, name: &str, field: &str) -> Option<Refusal> {
        match self {
            Self::These { always, .. } if always.contains(&field) => None,
            Self::These { sometimes, .. } if sometimes.contains(&field) => Some(Refusal::Because(format!(
                "{{{name}}} has no value where the tables lack the column it hangs on; let the action say \"needs: \
                 column …\", or leave it out"
            ))),
            Self::These { .. } => Some(Refusal::Unknown),
            Self::None(why) => Some(Refusal::Because(format!("{{{name}}} has no value here: {why}"))),
            Self::Open => None,
        }
    }
}

/// The reason why there are no fields before the action.
pub(crate) const NOT_THERE: &str = "what it is about may not have been there before";
/// The reason why there are no fields after the action.
pub(crate) const NOT_YET: &str = "nothing has been done yet";
/// The reason why there are no fields at all.
pub(crate) const NO_SUBJECT: &str = "the action is about nothing that has fields";

impl<'a> Scope<'a> {
    /// Allows parameters, and no fields of a subject.
    pub(crate) fn parameters(parameters: Known<'a>) -> Self {
        Self {
            parameters,
            secret: Vec::new(),
            before: Fields::None(NOT_YET),
            after: Fields::None(NOT_YET),
            found: Some(Vec::new()),
        }
    }

    /// All names that may stand in braces.
    fn allowed(&self) -> Vec<String> {
        let plain = self.parameters.names.iter().filter(|name| !self.secret.contains(name));
        let found = self.found.iter().flatten();
        let before = self.before.names().iter().map(|name| format!("before.{name}"));
        let after = self.after.names().iter().map(|name| format!("after.{name}"));
        plain.chain(found).map(|name| (*name).to_owned()).chain(before).chain(after).collect()
    }

    /// The segment for a name in braces, or the reason why it is not allowed.
    fn segment(&self, name: &str) -> Result<Segment, Refusal> {
        if let Some(field) = name.strip_prefix("before.") {
            return self
                .before
                .refusal(name, field)
                .map_or_else(|| Ok(Segment::Before(field.to_owned())), Err);
        }
        if let Some(field) = name.strip_prefix("after.") {
            return self.after.refusal(name, field).map_or_else(|| Ok(Segment::After(field.to_owned())), Err);
        }
        if self.secret.contains(&name) {
            return Err(Refusal::Because(format!("{{{name}}} is a secret, and no text may hold one")));
        }
        match &self.found {
            _ if self.parameters.has(name) => Ok(Segment::Parameter(name.to_owned())),
            Some(found) if !found.contains(&name) => Err(Refusal::Unknown),
            _ => Ok(Segment::Found(name.to_owned())),
        }
    }
}

/// Reads a text. `{{` and `}}` stand for braces.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, at: &At, scope: &Scope<'_>) -> Option<Text> {
    let text = reader.text(node, at)?;
    let spelling = reader.spelling(node);
    let mut segments = Vec::new();
    let mut valid = true;
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(brace);
        segments.push(Segment::Literal(before.to_owned()));
        let place = spelling.place(text[..text.len() - from.len()].chars().count());
        if from.starts_with("{{") || from.starts_with("}}") {
            segments.push(Segment::Literal(from[..1].to_owned()));
            rest = &from[2..];
            continue;
        }
        let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((name, behind)) = inside.filter(|(name, _)| !name.contains('{')) else {
            let what = "a brace without its other half; a brace that is only text is written twice: {{ or }}";
            reader.tell(place, what);
            return None;
        };
        match scope.segment(name) {
            Ok(segment) => segments.push(segment),
            Err(Refusal::Because(why)) => {
                reader.tell(place, why);
                valid = false;
            }
            Err(Refusal::Unknown) => {
                let allowed = scope.allowed();
                let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
                reader.unknown(place, "value", name, &allowed);
                valid = false;
            }
        }
        rest = behind;
    }
    segments.push(Segment::Literal(rest.to_owned()));
    valid.then(|| Text::new(segments))
}
