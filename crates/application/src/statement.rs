//! Statements: compiles SQL with named placeholders into SQL that can be sent, and checks it.
//!
//! [`Draft::read`] splits the SQL into tokens (`sql/lexer.rs`), reads its outline (`sql/outline.rs`), checks both,
//! and puts numbers in place of the names. [`Origin`] keeps the place in the file of each character, for the messages
//! of PostgreSQL.
//!
//! To add a rule: `form` if it holds for every statement, `judge` if it depends on the [`Purpose`], and its mistake
//! in `tests/application/mistakes.rs`. To let statements stand in another place: a variant of [`Purpose`], and a
//! `Slot` in `action.rs` of the crate `actions`.

use std::collections::BTreeSet;
use std::sync::Arc;

use quill_admin_actions::{Alternative, Bind, BindType, Condition, Right, Statement};
use quill_admin_yaml::{Node, Place, Value};

use crate::reader::{At, Reader};
use crate::spelling::Spelling;
use crate::sql::{Kind, Outline, Token, Verb, tokens};
use crate::tables::Tables;

/// The parameters that a statement or a text may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known<'a> {
    pub(crate) names: Vec<&'a str>,
    /// Whether a mistake has been reported that leaves open which others there are: then none is reported as
    /// unknown.
    pub(crate) open: bool,
}

impl<'a> Known<'a> {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn these(names: Vec<&'a str>) -> Self {
        Self { names, open: false }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.open || self.names.contains(&name)
    }
}

/// The purpose of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Locks the subject's row.
    Lock,
    /// Reads rows whose columns are used by their names.
    Columns,
    /// Reads one column of texts.
    Texts,
    /// Finds out whether there is a row.
    Guard,
    /// Changes rows.
    Write,
}

/// A statement that was read. The action decides the types of its parameters.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) alternatives: Vec<DraftAlternative>,
}

#[derive(Debug, Clone)]
pub(crate) struct DraftAlternative {
    pub(crate) condition: Option<Condition>,
    sql: String,
    /// The parameters in the order of their numbers.
    parameters: Vec<String>,
    /// The names of its result's columns.
    pub(crate) columns: Vec<String>,
    /// The tables that it names, with the rights that it needs.
    tables: BTreeSet<(String, Right)>,
    pub(crate) origin: Arc<Origin>,
}

/// The place in the file of each character of a compiled statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    spelling: Spelling,
    /// Pairs of a character of the compiled statement and the character of the written one; between two pairs
    /// both advance together.
    steps: Vec<(usize, usize)>,
}

impl Origin {
    /// The place of a character, from 0.
    pub(crate) fn place(&self, character: usize) -> Place {
        let after = self.steps.partition_point(|(compiled, _)| *compiled <= character);
        let (compiled, written) = after.checked_sub(1).map_or((0, 0), |index| self.steps[index]);
        self.spelling.place(written + (character - compiled))
    }
}

impl Draft {
    /// Reads a statement: one SQL text, or a list of alternatives. `parameters` are those that it may use.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        node: &Node,
        at: &At,
        purpose: Purpose,
        tables: &Tables,
        parameters: &Known<'_>,
    ) -> Option<Self> {
        let scope = Scope { purpose, tables, parameters };
        let Value::List(items) = &node.value else {
            if let Value::Map(_) = &node.value {
                let what = format!(
                    "{} is SQL, or a list of alternatives (\"- if: column T.C\" with \"sql: …\"), not keys with values",
                    at.what
                );
                reader.tell(node.place, what);
                return None;
            }
            let alternative = scope.alternative(reader, node, at, None)?;
            return Some(Self { alternatives: vec![alternative] });
        };
        let mut alternatives = Vec::new();
        let mut conditions: Vec<(Option<Condition>, Place)> = Vec::new();
        let mut whole = !items.is_empty();
        for item in items {
            let at = At::new("an alternative", item.place);
            let Some(fields) = reader.fields(item, &at, &["if", "sql"]) else {
                whole = false;
                continue;
            };
            // An unknown key may have been meant to be the condition.
            let mistyped = matches!(&item.value, Value::Map(map) if map.len() > fields.iter().count());
            let condition = match fields.get("if") {
                None if mistyped => None,
                None => Some(None),
                Some(entry) => tables.condition(reader, entry.value, &entry.at).map(Some),
            };
            if let Some(condition) = &condition {
                let first = conditions.iter().find(|(known, _)| known.is_none() || known == condition);
                if let Some((_, place)) = first {
                    let what = format!("this alternative is never taken: the one at {place} is, before it");
                    reader.tell(item.place, what);
                    whole = false;
                }
                conditions.push((condition.clone(), item.place));
            }
            whole &= condition.is_some();
            let condition = condition.flatten();
            let sql = reader.needed(&fields, "sql", "it is what is sent where the condition holds").cloned();
            match sql.and_then(|entry| scope.alternative(reader, entry.value, &entry.at, condition)) {
                Some(alternative) => alternatives.push(alternative),
                None => whole = false,
            }
        }
        if items.is_empty() || (whole && conditions.iter().all(|(condition, _)| condition.is_some())) {
            let what = format!(
                "{} has no alternative without a condition: where none holds there would be nothing to send; add one \
                 without \"if\" as the last",
                at.what
            );
            reader.tell(at.place, what);
            return None;
        }
        whole.then_some(Self { alternatives })
    }

    /// The alternatives that may be used where all of these conditions hold.
    pub(crate) fn reachable(&self, needs: &BTreeSet<Condition>) -> Vec<&DraftAlternative> {
        let mut reachable = Vec::new();
        for alternative in &self.alternatives {
            match &alternative.condition {
                Some(condition) if needs.iter().any(|need| need.contradicts(condition)) => {}
                Some(condition) => {
                    reachable.push(alternative);
                    if needs.contains(condition) {
                        break;
                    }
                }
                None => reachable.push(alternative),
            }
        }
        reachable
    }

    /// The parameters that the statement uses.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.alternatives.iter().flat_map(|alternative| &alternative.parameters).map(String::as_str)
    }

    /// The tables that the statement names, with the rights that it needs.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &(String, Right)> {
        self.alternatives.iter().flat_map(|alternative| &alternative.tables)
    }

    /// The conditions of its alternatives.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.alternatives.iter().filter_map(|alternative| alternative.condition.as_ref())
    }

    /// The finished statement; `kind` gives the type of each parameter.
    pub(crate) fn bind(&self, kind: impl Fn(&str) -> Option<BindType>) -> Option<Statement> {
        let alternatives = self.alternatives.iter().map(|alternative| {
            let binds = alternative
                .parameters
                .iter()
                .map(|name| Some(Bind { parameter: name.clone(), kind: kind(name)? }));
            let binds = binds.collect::<Option<Vec<_>>>()?;
            Some(Alternative {
                condition: alternative.condition.clone(),
                sql: alternative.sql.clone(),
                binds,
            })
        });
        Statement::new(alternatives.collect::<Option<Vec<_>>>()?)
    }
}

/// The rules for a statement at its place.
struct Scope<'a> {
    purpose: Purpose,
    tables: &'a Tables,
    parameters: &'a Known<'a>,
}

impl Scope<'_> {
    fn alternative(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        at: &At,
        condition: Option<Condition>,
    ) -> Option<DraftAlternative> {
        let sql = reader.lines(node, at)?;
        let length = sql.chars().count();
        if length > LONGEST {
            let what = format!("{} has {length} characters; a statement has at most {LONGEST}", at.what);
            reader.tell(node.place, what);
            return None;
        }
        let written = Written::new(sql, reader.spelling(node));
        let tokens = match tokens(sql) {
            Ok(tokens) => tokens,
            Err(endless) => {
                reader.tell(
                    written.place(endless.start),
                    format!("{} begins here and has no end", endless.what),
                );
                return None;
            }
        };
        let outline = Outline::new(sql, &tokens);
        if outline.is_empty() {
            reader.tell(node.place, format!("{} is a comment and nothing else", at.what));
            return None;
        }
        let forms = form(reader, &written, &tokens, &outline) && self.judge(reader, &written, &outline);
        // Further mistakes of a statement of another kind would only distract.
        let named = if forms { self.tables(reader, &written, &outline) } else { None };
        let columns = if forms { self.columns(reader, &written, &outline) } else { None };
        let compiled = self.compile(reader, &written, &tokens, outline.end());
        if self.quoted(reader, &written, &tokens) {
            return None;
        }
        let (tables, columns, (sql, parameters, steps)) = (named?, columns?, compiled?);
        let origin = Arc::new(Origin { spelling: written.spelling, steps });
        Some(DraftAlternative { condition, sql, parameters, columns, tables, origin })
    }

    /// Reports a parameter in quotes. PostgreSQL takes it for a text, which no row has: the condition would
    /// never hold, without any error.
    fn quoted(&self, reader: &mut Reader<'_>, written: &Written<'_>, tokens: &[Token]) -> bool {
        let name = |token: &&Token| {
            let text = written.sql.get(token.start..token.end)?.strip_prefix("':")?.strip_suffix('\'')?;
            self.parameters.names.iter().find(|name| **name == text)
        };
        let mut literals = tokens.iter().filter(|token| token.kind == Kind::Literal);
        let Some((token, name)) = literals.find_map(|token| Some((token, name(&token)?))) else {
            return false;
        };
        let what =
            format!("':{name}' is a text, and not the parameter {name}: write :{name}, without quotes");
        reader.tell(written.place(token.start), what);
        true
    }

    /// Checks that the statement fits its purpose.
    fn judge(&self, reader: &mut Reader<'_>, written: &Written<'_>, outline: &Outline<'_>) -> bool {
        let start = written.place(outline.at(0));
        let verb = outline.verb();
        let writes = self.purpose == Purpose::Write;
        let change = (!writes && verb.is_some_and(|verb| verb != Verb::Select)).then_some(outline.at(0));
        if let Some(byte) = change.or(outline.change_within()) {
            let what = if writes {
                "a command within the command also changes rows, and \"rows\" would not count them; write it as a step \
                 of its own"
            } else {
                "this changes rows; only a \"write\" may do that"
            };
            reader.tell(written.place(byte), what);
            return false;
        }
        match (self.purpose, verb) {
            (_, None) => {
                reader.tell(start, "behind WITH … AS (…) stands SELECT, INSERT, UPDATE or DELETE");
                return false;
            }
            (Purpose::Write, Some(Verb::Select)) => {
                let what = "a \"write\" changes rows: it begins with INSERT, UPDATE or DELETE; what only looks is a \
                            \"require\" or a \"refuse\"";
                reader.tell(start, what);
                return false;
            }
            (Purpose::Write, Some(Verb::Update | Verb::Delete)) if !outline.has_where() => {
                reader.tell(start, "without WHERE this changes every row of the table");
                return false;
            }
            (Purpose::Lock, _) if outline.locking().is_none() => {
                reader.tell(start, "a \"lock\" ends with FOR UPDATE, so that it takes the row that it finds");
                return false;
            }
            _ => {}
        }
        match outline.locking() {
            Some(byte) if !matches!(self.purpose, Purpose::Lock | Purpose::Guard) => {
                let what =
                    "rows are locked by the subject's \"lock\", or by a \"require\" or \"refuse\", not here";
                reader.tell(written.place(byte), what);
                false
            }
            _ => true,
        }
    }

    /// The tables that the statement names; each has to be declared, with the right that is needed.
    fn tables(
        &self,
        reader: &mut Reader<'_>,
        written: &Written<'_>,
        outline: &Outline<'_>,
    ) -> Option<BTreeSet<(String, Right)>> {
        let Tables { schema, tables, .. } = self.tables;
        let names: Vec<&str> = tables.keys().map(String::as_str).collect();
        let mut found = BTreeSet::new();
        let mut valid = true;
        for named in outline.tables() {
            let at = named.at;
            if let Some(other) = named.schema.as_ref().filter(|other| *other != schema) {
                reader.tell(
                    written.place(at),
                    format!("{other}.{} is outside of the one schema, {schema}", named.table),
                );
                valid = false;
            } else if let Some(table) = tables.get(&named.table) {
                if !table.rights.contains(&named.right) {
                    let rights: Vec<&str> = table.rights.iter().map(|right| right.as_str()).collect();
                    let what = format!(
                        "this takes the right to {} on {}, and its \"rights\" are: {}; add it there if that is meant",
                        named.right,
                        named.table,
                        if rights.is_empty() { "none".to_owned() } else { rights.join(", ") }
                    );
                    reader.tell(written.place(at), what);
                    valid = false;
                }
                found.insert((named.table, named.right));
            } else {
                reader.unknown(written.place(at), "table", &named.table, &names);
                valid = false;
            }
        }
        valid.then_some(found)
    }

    fn columns(
        &self,
        reader: &mut Reader<'_>,
        written: &Written<'_>,
        outline: &Outline<'_>,
    ) -> Option<Vec<String>> {
        let columns = outline.columns();
        if self.purpose == Purpose::Texts && columns.len() != 1 {
            let what = format!("this returns one column of texts, not {}", columns.len());
            reader.tell(written.place(outline.at(0)), what);
            return None;
        }
        let mut named: Vec<String> = Vec::new();
        let mut valid = true;
        for (name, byte) in columns {
            match name {
                Some(name) if named.contains(&name) => {
                    reader.tell(
                        written.place(byte),
                        format!("two columns are called {name}; name this one with AS"),
                    );
                    valid = false;
                }
                Some(name) => named.push(name),
                None if self.purpose == Purpose::Columns => {
                    reader.tell(
                        written.place(byte),
                        "this column has no name; give it one with AS (* gives none)",
                    );
                    valid = false;
                }
                None => {}
            }
        }
        if self.purpose == Purpose::Columns && valid && named.is_empty() {
            reader
                .tell(written.place(outline.at(0)), "this returns no column; name those that are to be read");
            valid = false;
        }
        valid.then_some(named)
    }

    /// The command with numbers in place of names, the names in the order of their numbers, and the origin of
    /// each part.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once, by the only caller")]
    fn compile(
        &self,
        reader: &mut Reader<'_>,
        written: &Written<'_>,
        tokens: &[Token],
        end: usize,
    ) -> Option<(String, Vec<String>, Vec<(usize, usize)>)> {
        let sql = written.sql;
        let mut compiled = String::new();
        // Number of characters so far.
        let mut length = 0;
        let mut parameters: Vec<String> = Vec::new();
        let start = tokens.iter().find(|token| token.kind != Kind::Space).map_or(0, |token| token.start);
        let mut steps = vec![(0, written.number(start))];
        let mut valid = true;
        for token in tokens.iter().filter(|token| token.start >= start && token.start < end) {
            let text = token.text(sql);
            match token.kind {
                Kind::Placeholder => {
                    let name = &text[1..];
                    if !self.parameters.has(name) {
                        let place = written.place(token.start);
                        reader.unknown(place, "parameter", name, &self.parameters.names);
                        valid = false;
                    }
                    let index = parameters.iter().position(|known| known == name).unwrap_or_else(|| {
                        parameters.push(name.to_owned());
                        parameters.len() - 1
                    });
                    let number = format!("${}", index + 1);
                    compiled.push_str(&number);
                    steps.push((length, written.number(token.start)));
                    length += number.len();
                    steps.push((length, written.number(token.end)));
                    continue;
                }
                Kind::Positional => {
                    let what = format!("values are named, as in :username, not numbered: {text}");
                    reader.tell(written.place(token.start), what);
                    valid = false;
                }
                _ => {}
            }
            compiled.push_str(text);
            length += text.chars().count();
        }
        compiled.truncate(compiled.trim_end().len());
        valid.then_some((compiled, parameters, steps))
    }
}

/// Largest number of characters of a statement.
const LONGEST: usize = 20_000;

/// The words that a statement may begin with.
const ALLOWED: [&str; 5] = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"];

/// Checks that it is one command, and of a kind that an action may use.
fn form(reader: &mut Reader<'_>, written: &Written<'_>, tokens: &[Token], outline: &Outline<'_>) -> bool {
    for token in tokens {
        // Where lines are folded into one, such a comment hides those after it.
        let folded = token.kind == Kind::LineComment
            && written.place(token.start).line != written.place(token.end - 1).line;
        if folded {
            let what = "a comment with -- goes to the end of its line, and here the lines become one, so that it \
                        swallows those behind it: write the statement with | in place of >, or the comment as \
                        /* … */";
            reader.tell(written.place(token.start), what);
            return false;
        }
    }
    if let Some(byte) = outline.second_command() {
        let what =
            "a second command begins behind this semicolon; a statement is one command (write two steps)";
        reader.tell(written.place(byte), what);
        return false;
    }
    let first = outline.first().to_ascii_uppercase();
    if !ALLOWED.contains(&first.as_str()) {
        let transaction = [
            "BEGIN",
            "START",
            "COMMIT",
            "END",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT",
            "RELEASE",
            "PREPARE",
            "SET",
        ];
        let more = if transaction.contains(&first.as_str()) {
            "; the transaction is the engine's"
        } else if first == "(" {
            "; leave the brackets around it out"
        } else {
            ""
        };
        let what = format!(
            "a statement begins with SELECT, WITH, INSERT, UPDATE or DELETE, not with {}{more}",
            outline.first().escape_debug()
        );
        let allowed = ALLOWED.map(str::to_ascii_lowercase);
        let place = written.place(outline.at(0));
        reader.tell_near(place, what, &first, allowed.iter().map(String::as_str));
        return false;
    }
    if let Some(byte) = outline.select_into() {
        reader.tell(written.place(byte), "SELECT … INTO makes a table; actions make none");
        return false;
    }
    true
}

/// SQL and its place in the file.
struct Written<'a> {
    sql: &'a str,
    spelling: Spelling,
    /// The number of the character that each byte, and the end of the text, belongs to.
    numbers: Vec<usize>,
}

impl<'a> Written<'a> {
    fn new(sql: &'a str, spelling: Spelling) -> Self {
        let mut numbers = Vec::with_capacity(sql.len() + 1);
        for (number, c) in sql.chars().enumerate() {
            numbers.extend(std::iter::repeat_n(number, c.len_utf8()));
        }
        numbers.push(numbers.last().map_or(0, |last| last + 1));
        Self { sql, spelling, numbers }
    }

    /// The number of the character that a byte belongs to.
    fn number(&self, byte: usize) -> usize {
        self.numbers.get(byte).or(self.numbers.last()).copied().unwrap_or_default()
    }

    /// The place of the character that a byte belongs to.
    fn place(&self, byte: usize) -> Place {
        self.spelling.place(self.number(byte))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::YAML;

    /// Reads SQL that stands in a YAML file as a JSON text.
    fn read(sql: &str, parameters: &[&str]) -> Result<DraftAlternative, String> {
        let text = serde_json::json!(sql).to_string();
        let document = quill_admin_yaml::read(text.as_bytes(), &YAML).expect("YAML");
        let mut reader = Reader::new(&document);
        let known = Known::these(parameters.to_vec());
        let at = At::new("it", Place::START);
        let draft = Draft::read(&mut reader, &document.top, &at, Purpose::Guard, &Tables::default(), &known);
        reader.finish("f".as_ref()).map_err(|broken| broken.to_string())?;
        Ok(draft.expect("a statement").alternatives.remove(0))
    }

    #[test]
    fn each_parameter_has_one_number() {
        let read = read("  SELECT :b, ':c', :a, :b::text ; -- the end", &["a", "b"]).expect("valid");
        assert_eq!(read.sql, "SELECT $1, ':c', $2, $1::text");
        assert_eq!(read.parameters, ["b", "a"]);
        let columns: Vec<u64> =
            [0, 7, 8, 9, 11, 17, 19].map(|number| read.origin.place(number).column).to_vec();
        // The text begins after a quote and two blanks; the second $ is seven characters after the first.
        assert_eq!(columns, [4, 11, 12, 13, 15, 21, 23]);
    }

    proptest! {
        /// Text around placeholders stays unchanged, and putting the names back gives the text that was
        /// written.
        #[test]
        fn names_put_back_give_the_same_text(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just(":a".to_owned()), Just(":b".to_owned()), Just(":long_name".to_owned()),
                    "'[a-z:$ é/*-]{0,6}'", "\"[a-z:$ é/*-]{1,6}\"", Just("E'\\':a'".to_owned()),
                    Just("$x$ :a $ $x$".to_owned()), Just("/* :a /* */ */".to_owned()),
                    Just("a[1:2]".to_owned()), Just("x::text".to_owned()), "[a-z(),.=<é+]{1,6}",
                ],
                0..12,
            )
        ) {
            let sql = format!("SELECT {}", pieces.join(" "));
            let sql = sql.trim_end();
            let names = ["a", "b", "long_name"];
            if let Ok(read) = read(sql, &names) {
                let tokens = tokens(&read.sql).expect("whole");
                let back: String = tokens.iter().map(|token| {
                    let text = token.text(&read.sql);
                    match token.kind {
                        Kind::Positional => {
                            let number: usize = text[1..].parse().expect("a number");
                            format!(":{}", read.parameters[number - 1])
                        }
                        _ => text.to_owned(),
                    }
                }).collect();
                prop_assert_eq!(back, sql);
                let written = pieces.iter().filter(|piece| piece.starts_with(':')).count();
                let bound = tokens.iter().filter(|token| token.kind == Kind::Positional).count();
                prop_assert_eq!(bound, written);
            }
        }
    }
}
