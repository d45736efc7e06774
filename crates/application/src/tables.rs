//! `schema` and `tables`: reads the tables of the database that actions use.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_actions::{Condition, Right, Table};
use quill_admin_yaml::{Node, Place};

use crate::names::{IDENTIFIER_RULE, is_identifier};
use crate::reader::{At, Fields, Reader};

/// The places where tables, and columns in `needs` and `knows`, are named: by table, and column if there is
/// one.
pub(crate) type TablePlaces = BTreeMap<(String, Option<String>), Place>;

/// The tables that actions may use.
#[expect(clippy::struct_field_names, reason = "it is the word of the file for both")]
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) schema: String,
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) places: TablePlaces,
}

impl Tables {
    pub(crate) fn read(reader: &mut Reader<'_>, top: &Fields<'_>) -> Self {
        let why = "it names the one schema that the tables are in, as in \"schema: public\"";
        let schema = reader.needed(top, "schema", why).cloned();
        let schema = schema.and_then(|entry| {
            let name = reader.text(entry.value, &entry.at)?;
            if !is_identifier(name) {
                reader.tell(entry.value.place, format!("a schema's name {IDENTIFIER_RULE}"));
            }
            Some(name.to_owned())
        });
        let mut tables = BTreeMap::new();
        let mut places = TablePlaces::new();
        let why = "it names the tables that actions use, with the columns that have to be there";
        if let Some(entry) = reader.needed(top, "tables", why).cloned() {
            for entry in reader.entries(entry.value, &entry.at).unwrap_or_default() {
                identifier(reader, "table", entry.name, entry.at.place);
                let at = At::new(format!("the table {}", entry.name.escape_debug()), entry.at.place);
                places.insert((entry.name.to_owned(), None), entry.at.place);
                let mut column = |name: &str, place| {
                    places.insert((entry.name.to_owned(), Some(name.to_owned())), place);
                };
                let table = table(reader, entry.value, &at, &mut column);
                tables.insert(entry.name.to_owned(), table.unwrap_or_default());
            }
        }
        Self { schema: schema.unwrap_or_default(), tables, places }
    }

    /// Reads a condition on a column that these tables may have.
    pub(crate) fn condition(&self, reader: &mut Reader<'_>, node: &Node, at: &At) -> Option<Condition> {
        let text = reader.text(node, at)?;
        let condition: Condition = match text.parse() {
            Ok(condition) => condition,
            Err(rule) => {
                reader.tell(node.place, format!("{rule}, not \"{}\"", text.escape_debug()));
                return None;
            }
        };
        let name = &condition.table;
        let Some(table) = self.tables.get(name) else {
            let names: Vec<&str> = self.tables.keys().map(String::as_str).collect();
            reader.unknown(node.place, "table", name, &names);
            return None;
        };
        let column = &condition.column;
        if table.needs.contains(column) {
            let what = format!(
                "{name}.{column} is in \"needs\" and so always there; put it in \"knows\" if it may be missing"
            );
            reader.tell(node.place, what);
            return None;
        }
        if !table.knows.contains(column) && !table.needs.is_empty() {
            let known: Vec<&str> = table.knows.iter().map(String::as_str).collect();
            let what = format!(
                "{name}.{column} is not in \"knows\" of the table {name}, where columns are that may be there: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            );
            reader.tell_near(node.place, what, column, known);
            return None;
        }
        Some(condition)
    }
}

/// Reports a name that would need quotes in SQL.
pub(crate) fn identifier(reader: &mut Reader<'_>, what: &str, name: &str, place: Place) -> bool {
    let valid = is_identifier(name);
    if !valid {
        reader.tell(
            place,
            format!("\"{}\" is not the name of a {what}: it {IDENTIFIER_RULE}", name.escape_debug()),
        );
    }
    valid
}

/// Reads a table. `found` is called for each column with its place.
fn table(
    reader: &mut Reader<'_>,
    node: &Node,
    at: &At,
    found: &mut impl FnMut(&str, Place),
) -> Option<Table> {
    let fields = reader.fields(node, at, &["needs", "knows", "rights"])?;
    let mut columns = |reader: &mut Reader<'_>, name: &str| {
        let Some(entry) = fields.get(name) else { return BTreeSet::new() };
        let columns = reader.texts(entry.value, &entry.at).unwrap_or_default();
        columns
            .into_iter()
            .filter(|(name, place)| identifier(reader, "column", name, *place))
            .map(|(name, place)| {
                found(name, place);
                name.to_owned()
            })
            .collect()
    };
    reader.needed(&fields, "needs", "it lists the columns that have to be there");
    let needs: BTreeSet<String> = columns(reader, "needs");
    let knows: BTreeSet<String> = columns(reader, "knows");
    if let Some((both, entry)) = needs.intersection(&knows).next().zip(fields.get("knows")) {
        reader.tell(entry.at.place, format!("{both} is in \"needs\" and in \"knows\"; it is one of them"));
    }
    let why = "it lists what actions may do with the table at most: select, insert, update, delete";
    // If the rights are not known, none is reported as missing.
    let mut rights = BTreeSet::from(Right::ALL);
    if let Some(entry) = reader.needed(&fields, "rights", why).cloned() {
        let allowed = Right::ALL.map(|right| (right.as_str(), right));
        let items = reader.list(entry.value, &entry.at).unwrap_or_default();
        let read: Vec<Option<Right>> =
            items.iter().map(|item| reader.one_of(item, &entry.at, &allowed)).collect();
        // A mistyped right may be any.
        if read.iter().all(Option::is_some) {
            rights = read.into_iter().flatten().collect();
        }
    }
    Some(Table { needs, knows, rights })
}
