//! Takes YAML values apart, and collects all mistakes in them.
//!
//! To add a form of value that keys may have: a method of [`Reader`] that reports a value of another form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quill_admin_contract::invisible::invisible;
use quill_admin_yaml::{Document, Mistake, Node, Place, Value};

use crate::mistake::Broken;
use crate::spelling::Spelling;

/// The holder of a value, and its place: a key, or another description.
#[derive(Debug, Clone)]
pub(crate) struct At {
    /// A description that begins a sentence: `the key "max"`, `the action add-role`.
    pub(crate) what: String,
    pub(crate) place: Place,
}

impl At {
    pub(crate) fn new(what: impl Into<String>, place: Place) -> Self {
        Self { what: what.into(), place }
    }

    pub(crate) fn key(name: &str, place: Place) -> Self {
        Self::new(format!("the key \"{name}\""), place)
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'n> {
    pub(crate) name: &'n str,
    pub(crate) at: At,
    pub(crate) value: &'n Node,
}

/// The known keys of a value.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    entries: Vec<Entry<'n>>,
    /// The holder of these keys, with its place.
    pub(crate) at: At,
}

impl<'n> Fields<'n> {
    pub(crate) fn get(&self, name: &str) -> Option<&Entry<'n>> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<'n>> {
        self.entries.iter()
    }
}

/// Reads a document, and collects its mistakes.
pub(crate) struct Reader<'d> {
    document: &'d Document,
    mistakes: Vec<Mistake>,
    /// Number of mistakes that were found and not kept.
    more: usize,
}

/// Largest number of mistakes that are kept; the first of them in the file are reported. A file with more has
/// been generated, or is of another kind.
const KEPT: usize = 1_000;
/// Largest number of allowed names that a message lists.
const LISTED: usize = 40;

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Self { document, mistakes: Vec::new(), more: 0 }
    }

    pub(crate) fn tell(&mut self, place: Place, what: impl Into<String>) {
        self.keep(|| Mistake::new(place, what));
    }

    fn keep(&mut self, mistake: impl FnOnce() -> Mistake) {
        if self.mistakes.len() < KEPT {
            self.mistakes.push(mistake());
        } else {
            self.more += 1;
        }
    }

    /// Like [`Self::tell`], with the candidate that was probably meant by `given`.
    pub(crate) fn tell_near<'a>(
        &mut self,
        place: Place,
        what: impl Into<String>,
        given: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) {
        self.keep(|| Mistake::new(place, what).near(given, candidates));
    }

    /// Reports a name that does not exist: `unknown` is its kind, as in "parameter \"x\"".
    pub(crate) fn unknown(&mut self, place: Place, unknown: &str, given: &str, allowed: &[&str]) {
        if self.mistakes.len() >= KEPT {
            self.more += 1;
            return;
        }
        let list = match allowed.len() {
            0 => "none".to_owned(),
            many if many > LISTED => format!("{} and {} more", allowed[..LISTED].join(", "), many - LISTED),
            _ => allowed.join(", "),
        };
        let what = format!("unknown {unknown} \"{}\"; allowed here: {list}", given.escape_debug());
        self.tell_near(place, what, given, allowed.iter().copied());
    }

    /// Number of mistakes that have been reported.
    pub(crate) fn told(&self) -> usize {
        self.mistakes.len() + self.more
    }

    /// Returns all mistakes of the file as an error, if there are any.
    pub(crate) fn finish(self, file: &Path) -> Result<(), Broken> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Broken::new(file, self.mistakes, self.more)) }
    }

    pub(crate) fn spelling(&self, node: &Node) -> Spelling {
        Spelling::of(self.document, node)
    }

    /// Reports a value of another type: `rule` completes "the key … ".
    fn wrong(&mut self, node: &Node, at: &At, rule: &str) {
        let (place, what) = match &node.value {
            // A missing value has no place of its own.
            Value::Nothing => (at.place, format!("{} has no value; it {rule}", at.what)),
            other => (node.place, format!("{} {rule}, not {}", at.what, other.what())),
        };
        self.tell(place, what);
    }

    /// The keys of a value with their values; each key has to be a text and unique. `None` if the value is
    /// not a map.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, at: &At) -> Option<Vec<Entry<'n>>> {
        let Value::Map(map) = &node.value else {
            self.wrong(node, at, "holds keys with values (\"key: value\")");
            return None;
        };
        let mut entries: Vec<Entry<'n>> = Vec::new();
        let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
        for (key, value) in map {
            let Value::Text(name) = &key.value else {
                self.tell(key.place, format!("a key is a name, not {}", key.value.what()));
                continue;
            };
            if let Some(first) = seen.get(name.as_str()) {
                let what = format!(
                    "the key \"{}\" is there twice, here and at {first}; remove one",
                    name.escape_debug()
                );
                self.tell(key.place, what);
                continue;
            }
            seen.insert(name, key.place);
            entries.push(Entry { name, at: At::key(&name.escape_debug().to_string(), key.place), value });
        }
        Some(entries)
    }

    /// Like [`Self::entries`], where only some names are allowed.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, at: &At, allowed: &[&str]) -> Option<Fields<'n>> {
        let mut entries = self.entries(node, at)?;
        entries.retain(|entry| {
            let known = allowed.contains(&entry.name);
            if !known && entry.name.contains(' ') {
                let what = format!(
                    "unknown key \"{}\"; within braces a comma separates keys: a text that has one stands in quotes",
                    entry.name.escape_debug()
                );
                self.tell(entry.at.place, what);
            } else if !known {
                self.unknown(entry.at.place, "key", entry.name, allowed);
            }
            known
        });
        let place = if at.place == Place::START { node.place } else { at.place };
        Some(Fields { entries, at: At::new(at.what.clone(), place) })
    }

    /// The value of a required key.
    pub(crate) fn needed<'f, 'n>(
        &mut self,
        fields: &'f Fields<'n>,
        name: &str,
        why: &str,
    ) -> Option<&'f Entry<'n>> {
        let found = fields.get(name);
        if found.is_none() {
            let At { what, place } = &fields.at;
            self.tell(*place, format!("{what} has no key \"{name}\"; {why}"));
        }
        found
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, at: &At) -> Option<&'n [Node]> {
        if let Value::List(items) = &node.value {
            return Some(items);
        }
        self.wrong(node, at, "is a list (\"[one, two]\")");
        None
    }

    /// A text exactly as written, not empty, in which every character can be seen.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, at: &At) -> Option<&'n str> {
        let text = self.scalar(node, at, "is a text")?;
        self.seen(node, at, text, &[]).then_some(text)
    }

    /// Like [`Self::text`], for a text that may have several lines.
    pub(crate) fn lines<'n>(&mut self, node: &'n Node, at: &At) -> Option<&'n str> {
        let text = self.scalar(node, at, "is a text")?;
        self.seen(node, at, text, &['\n', '\t']).then_some(text)
    }

    fn scalar<'n>(&mut self, node: &'n Node, at: &At, rule: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {
                self.tell(node.place, format!("{} is empty; it {rule}, or is left out", at.what));
                None
            }
            Value::Text(text) => Some(text),
            Value::Map(_) => {
                self.wrong(node, at, &format!("{rule} (one that begins with a brace stands in quotes)"));
                None
            }
            _ => {
                self.wrong(node, at, rule);
                None
            }
        }
    }

    /// Checks that every character of a text can be seen: escapes in quotes can write characters that the
    /// file itself must not have.
    fn seen(&mut self, node: &Node, at: &At, text: &str, allowed: &[char]) -> bool {
        let found = text.chars().enumerate().find(|(_, c)| invisible(*c).is_some() && !allowed.contains(c));
        let Some((number, c)) = found else { return true };
        let name = invisible(c).unwrap_or_default();
        let what = match c {
            '\n' => {
                format!("{} goes over several lines; it stands on one (as with > in place of |)", at.what)
            }
            c => format!(
                "{} has a character in it that is not seen: {name} (U+{:04X}); remove it",
                at.what,
                u32::from(c)
            ),
        };
        let place = self.spelling(node).place(number);
        self.tell(place, what);
        false
    }

    pub(crate) fn flag(&mut self, node: &Node, at: &At) -> Option<bool> {
        match &node.value {
            Value::Text(text) if text == "true" => Some(true),
            Value::Text(text) if text == "false" => Some(false),
            _ => {
                self.wrong(node, at, "is true or false");
                None
            }
        }
    }

    pub(crate) fn number<T>(&mut self, node: &Node, at: &At, min: T, max: T) -> Option<T>
    where
        T: Copy + std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        if let Value::Text(text) = &node.value
            && let Ok(number) = text.parse::<T>()
            && number >= min
            && number <= max
        {
            return Some(number);
        }
        self.wrong(node, at, &format!("is a whole number from {min} to {max}"));
        None
    }

    /// A value of a closed list.
    pub(crate) fn one_of<T: Copy>(&mut self, node: &Node, at: &At, allowed: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
        let list = names.join(", ");
        let Value::Text(text) = &node.value else {
            self.wrong(node, at, &format!("is one of: {list}"));
            return None;
        };
        let found = allowed.iter().find(|(name, _)| name == text);
        if found.is_none() {
            let what = format!("{} is one of: {list}; not \"{}\"", at.what, text.escape_debug());
            self.tell_near(node.place, what, text, names);
        }
        found.map(|(_, value)| *value)
    }

    /// A list of texts without duplicates.
    pub(crate) fn texts<'n>(&mut self, node: &'n Node, at: &At) -> Option<Vec<(&'n str, Place)>> {
        let mut texts: Vec<(&str, Place)> = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for item in self.list(node, at)? {
            let Some(text) = self.text(item, at) else { continue };
            if seen.insert(text) {
                texts.push((text, item.place));
            } else {
                self.tell(item.place, format!("{} has \"{}\" twice", at.what, text.escape_debug()));
            }
        }
        Some(texts)
    }
}
