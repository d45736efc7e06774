//! `check`: reads the rows that the built-in action `check` expects in a database.

use std::collections::BTreeSet;

use quill_admin_actions::Expectation;

use crate::places::Places;
use crate::reader::{At, Fields, Reader};
use crate::statement::{Draft, Known, Purpose};
use crate::subjects::code;
use crate::tables::Tables;
use crate::text::{self, Scope};

pub(crate) fn read(
    reader: &mut Reader<'_>,
    top: &Fields<'_>,
    tables: &Tables,
    places: &mut Places,
) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    let Some(entry) = top.get("check") else { return expectations };
    let Some(fields) = reader.fields(entry.value, &entry.at, &["expect"]) else { return expectations };
    let why = "it lists what a query has to return";
    let Some(entry) = reader.needed(&fields, "expect", why).cloned() else { return expectations };
    for item in reader.list(entry.value, &entry.at).unwrap_or_default() {
        let at = At::new("an expectation", item.place);
        let Some(fields) = reader.fields(item, &at, &["query", "has", "code", "say"]) else { continue };
        let query = reader.needed(&fields, "query", "it returns one column of texts").cloned();
        let draft = query.and_then(|entry| {
            Draft::read(reader, entry.value, &entry.at, Purpose::Texts, tables, &Known::none())
        });
        let has = reader.needed(&fields, "has", "it lists the texts that have to be among them").cloned();
        let has = has.and_then(|entry| reader.texts(entry.value, &entry.at));
        let code = reader.needed(&fields, "code", "it is what programs know the warning by").cloned();
        let code = code.and_then(|entry| self::code(reader, &entry));
        let say = reader.needed(&fields, "say", "it is the warning in words").cloned();
        let scope = Scope { found: Some(vec!["missing"]), ..Scope::parameters(Known::none()) };
        let say = say.and_then(|entry| text::read(reader, entry.value, &entry.at, &scope));
        let (Some(draft), Some(has), Some(code), Some(say)) = (draft, has, code, say) else { continue };
        let Some(query) = draft.bind(|_| None) else { continue };
        let has: BTreeSet<String> = has.into_iter().map(|(text, _)| text.to_owned()).collect();
        places.expect(&draft);
        expectations.push(Expectation { query, has, code, say });
    }
    expectations
}
