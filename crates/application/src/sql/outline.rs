//! The outline of a statement, read from its words. It is no parser, but it finds mistakes that PostgreSQL
//! would report only with the database, or not at all.
//!
//! To find another mistake: a method of [`Outline`] that returns its place, its use in `statement.rs`, and its case
//! in `outline/tests.rs`.

use quill_admin_actions::Right;

use super::lexer::{Kind, Token};

/// The command of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Select,
    Insert,
    Update,
    Delete,
}

/// A table that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The schema, where it is named.
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    pub(crate) right: Right,
    /// The byte at which it is named.
    pub(crate) at: usize,
}

/// The words of a statement, without white space and comments.
pub(crate) struct Outline<'a> {
    sql: &'a str,
    /// The tokens, each with the number of brackets that are open around it.
    tokens: Vec<(Token, usize)>,
}

/// Words that end the list of a result's columns.
const ENDS: [&str; 14] = [
    "from",
    "where",
    "group",
    "having",
    "window",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    ";",
];

impl<'a> Outline<'a> {
    pub(crate) fn new(sql: &'a str, tokens: &[Token]) -> Self {
        let mut depth = 0_usize;
        let tokens = tokens
            .iter()
            .filter(|token| token.counts())
            .map(|token| {
                let around = match token.text(sql) {
                    "(" | "[" => {
                        depth += 1;
                        depth - 1
                    }
                    ")" | "]" => {
                        depth = depth.saturating_sub(1);
                        depth
                    }
                    _ => depth,
                };
                (*token, around)
            })
            .collect();
        Self { sql, tokens }
    }

    fn len(&self) -> usize {
        self.tokens.len()
    }

    fn text(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |(token, _)| token.text(self.sql))
    }

    fn is(&self, index: usize, word: &str) -> bool {
        let of_words = self
            .tokens
            .get(index)
            .is_some_and(|(token, _)| matches!(token.kind, Kind::Word | Kind::Symbol | Kind::Cast));
        of_words && self.text(index).eq_ignore_ascii_case(word)
    }

    fn is_any(&self, index: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(index, word))
    }

    fn before(&self, index: usize, words: &[&str]) -> bool {
        index.checked_sub(1).is_some_and(|before| self.is_any(before, words))
    }

    fn depth(&self, index: usize) -> usize {
        self.tokens.get(index).map_or(0, |(_, depth)| *depth)
    }

    /// The byte at which a word begins.
    pub(crate) fn at(&self, index: usize) -> usize {
        self.tokens.get(index).map_or(self.sql.len(), |(token, _)| token.start)
    }

    /// A name as the server reads it: one without quotes is converted to lower case.
    fn name(&self, index: usize) -> Option<String> {
        let (token, _) = self.tokens.get(index)?;
        let text = token.text(self.sql);
        match token.kind {
            Kind::Word => Some(text.to_ascii_lowercase()),
            Kind::Quoted => Some(text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"")),
            _ => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The first word.
    pub(crate) fn first(&self) -> &'a str {
        self.text(0)
    }

    /// The semicolon before a second statement.
    pub(crate) fn second_command(&self) -> Option<usize> {
        (0..self.len())
            .find(|index| self.is(*index, ";") && *index + 1 < self.len())
            .map(|index| self.at(index))
    }

    /// The end of the statement: before a final semicolon, or the end of the text.
    pub(crate) fn end(&self) -> usize {
        let last = self.len().checked_sub(1).filter(|index| self.is(*index, ";"));
        last.map_or(self.sql.len(), |index| self.at(index))
    }

    /// The command of the statement: after WITH, the one that follows all common table expressions.
    pub(crate) fn verb(&self) -> Option<Verb> {
        self.main().and_then(|index| self.verb_at(index))
    }

    fn main(&self) -> Option<usize> {
        if !self.is(0, "with") {
            return Some(0);
        }
        (1..self.len()).find(|index| {
            self.depth(*index) == 0
                && self.before(*index, &[")"])
                && self.is_any(*index, &["select", "insert", "update", "delete", "merge", "values", "table"])
        })
    }

    fn verb_at(&self, index: usize) -> Option<Verb> {
        let verbs = [
            ("select", Verb::Select),
            ("insert", Verb::Insert),
            ("update", Verb::Update),
            ("delete", Verb::Delete),
        ];
        verbs.into_iter().find(|(word, _)| self.is(index, word)).map(|(_, verb)| verb)
    }

    /// The byte of a command that changes rows within another one: in a common table expression.
    pub(crate) fn change_within(&self) -> Option<usize> {
        let main = self.main();
        (1..self.len())
            .filter(|index| Some(*index) != main)
            .find(|index| self.is_change(*index))
            .map(|index| self.at(index))
    }

    /// Whether a command that changes rows begins here.
    fn is_change(&self, index: usize) -> bool {
        let begins = index == 0 || self.before(index, &["(", ")"]);
        let follows = |kind: Kind| self.tokens.get(index + 1).is_some_and(|(token, _)| token.kind == kind);
        begins
            && ((self.is_any(index, &["insert", "merge"]) && self.is(index + 1, "into"))
                || (self.is(index, "delete") && self.is(index + 1, "from"))
                || (self.is(index, "update") && (follows(Kind::Word) || follows(Kind::Quoted))))
    }

    /// The byte of an INTO that creates a table from a SELECT.
    pub(crate) fn select_into(&self) -> Option<usize> {
        (0..self.len())
            .find(|index| self.is(*index, "into") && !self.before(*index, &["insert", "merge"]))
            .map(|index| self.at(index))
    }

    /// The byte of the FOR of `FOR UPDATE` and its weaker forms.
    pub(crate) fn locking(&self) -> Option<usize> {
        (0..self.len()).find(|index| self.is_lock(*index)).map(|index| self.at(index))
    }

    fn is_lock(&self, index: usize) -> bool {
        self.is(index, "for")
            && (self.is_any(index + 1, &["update", "share"])
                || (self.is(index + 1, "no") && self.is(index + 2, "key"))
                || (self.is(index + 1, "key") && self.is(index + 2, "share")))
    }

    /// Whether rows are chosen; otherwise the command applies to a whole table.
    pub(crate) fn has_where(&self) -> bool {
        let depth = self.main().map_or(0, |main| self.depth(main));
        (0..self.len()).any(|index| self.is(index, "where") && self.depth(index) == depth)
    }

    /// The names of the result's columns; `None` for a column without a name of its own. Each has the byte at
    /// which it stands.
    pub(crate) fn columns(&self) -> Vec<(Option<String>, usize)> {
        let Some(mut from) = self.main().filter(|main| self.is(*main, "select")) else { return Vec::new() };
        let depth = self.depth(from);
        from += 1;
        if self.is(from, "all") {
            from += 1;
        } else if self.is(from, "distinct") {
            from += 1;
            if self.is(from, "on") {
                from = (from + 2..self.len())
                    .find(|index| self.depth(*index) == depth && self.is(*index, ")"))
                    .unwrap_or(from)
                    + 1;
            }
        }
        // IS DISTINCT FROM does not end the list, and neither does a key word that names a column.
        let ends = |index: usize| {
            self.depth(index) == depth
                && self.is_any(index, &ENDS)
                && !self.before(index, &["distinct", "as", "."])
        };
        let end = (from..self.len()).find(|index| ends(*index)).unwrap_or(self.len());
        let mut columns = Vec::new();
        let mut start = from;
        for index in from..=end {
            let comma = index < end && self.depth(index) == depth && self.is(index, ",");
            if (comma || index == end) && start < index {
                columns.push((self.column(start, index, depth), self.at(start)));
            }
            if comma {
                start = index + 1;
            }
        }
        columns
    }

    /// The name of one column of the result, as the server's `FigureColname` finds it in the simple cases.
    fn column(&self, start: usize, end: usize, depth: usize) -> Option<String> {
        if end - start >= 3 && self.is(end - 2, "as") && self.depth(end - 2) == depth {
            return self.name(end - 1);
        }
        // A cast keeps the name of its operand.
        let cast = |index: &usize| {
            self.depth(*index) == depth
                && self.tokens.get(*index).is_some_and(|(token, _)| token.kind == Kind::Cast)
        };
        let end = (start..end).find(cast).unwrap_or(end);
        let (path, call) = match (start..end).find(|index| self.is(*index, "(")) {
            Some(open) => (open, self.depth(end - 1) == depth && self.is(end - 1, ")")),
            None => (end, true),
        };
        let closes_once =
            (path..end).filter(|index| self.depth(*index) == depth && self.is(*index, ")")).count() <= 1;
        let dotted = (start..path).enumerate().all(|(number, index)| {
            if number % 2 == 0 { self.name(index).is_some() } else { self.is(index, ".") }
        });
        let whole = (path - start) % 2 == 1;
        if call && closes_once && dotted && whole { self.name(path - 1) } else { None }
    }

    /// The tables that the statement names, with the right that it needs on each, as far as its words tell.
    /// Common table expressions and the server's own tables are left out.
    pub(crate) fn tables(&self) -> Vec<Named> {
        let mut walk = Walk {
            outline: self,
            within: self.expressions(),
            frames: vec![Frame::default()],
            found: Vec::new(),
        };
        for index in 0..self.len() {
            walk.step(index);
        }
        walk.found
    }

    /// The names of common table expressions.
    fn expressions(&self) -> Vec<String> {
        let mut names = Vec::new();
        for index in 1..self.len() {
            let opens = self.is(index + 1, "(")
                || (self.is(index + 1, "materialized") && self.is(index + 2, "("))
                || (self.is(index + 1, "not")
                    && self.is(index + 2, "materialized")
                    && self.is(index + 3, "("));
            if !self.is(index, "as") || !opens {
                continue;
            }
            // A list of columns may follow the name.
            let mut name = index - 1;
            if self.is(name, ")") {
                let depth = self.depth(name);
                let open = (0..name).rev().find(|open| self.is(*open, "(") && self.depth(*open) == depth);
                name = open.unwrap_or(0).saturating_sub(1);
            }
            if self.before(name, &["with", "recursive", ","]) {
                names.extend(self.name(name));
            }
        }
        names
    }
}

/// The state within the brackets around a word.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    /// Whether a command stands in them, so that its FROM names tables; that of EXTRACT does not.
    command: bool,
    /// Whether the command is DELETE, so that its USING names tables.
    delete: bool,
    /// Whether commas separate tables here.
    tables: bool,
    /// The first of the found tables that need the right to lock rows.
    from: usize,
}

struct Walk<'a, 'b> {
    outline: &'b Outline<'a>,
    /// The names of common table expressions.
    within: Vec<String>,
    frames: Vec<Frame>,
    found: Vec<Named>,
}

impl Walk<'_, '_> {
    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn step(&mut self, index: usize) {
        let outline = self.outline;
        let from = self.found.len();
        if outline.is_any(index, &["(", "["]) {
            self.frames.push(Frame { from, ..Frame::default() });
        } else if outline.is_any(index, &[")", "]"]) {
            self.frames.pop();
        } else if outline.is(index, "select") {
            *self.frame() = Frame { command: true, from, ..Frame::default() };
        } else if outline.is_change(index) {
            self.change(index, from);
        } else if outline.is_lock(index) {
            self.lock();
        } else if self.lists_tables(index) {
            self.frame().tables = true;
            self.item(index + 1, Right::Select);
        } else if outline.is_any(index, &["join", ","]) && self.frame().tables {
            self.item(index + 1, Right::Select);
        } else if outline.is_any(index, &ENDS) || outline.is(index, "returning") {
            self.frame().tables = false;
        } else if outline.is(index, "update") && outline.before(index, &["do"]) {
            // ON CONFLICT DO UPDATE changes the table that is inserted into.
            let target = self.found.iter().rev().find(|named| named.right == Right::Insert).cloned();
            self.found.extend(target.map(|named| Named { right: Right::Update, ..named }));
        }
    }

    /// Whether tables are listed after this word: FROM of a command, except in IS DISTINCT FROM and DELETE
    /// FROM; USING of a DELETE.
    fn lists_tables(&mut self, index: usize) -> bool {
        let outline = self.outline;
        let frame = *self.frame();
        (outline.is(index, "from") && frame.command && !outline.before(index, &["distinct", "delete"]))
            || (outline.is(index, "using") && frame.delete)
    }

    /// Reads INSERT INTO, UPDATE or DELETE FROM.
    fn change(&mut self, index: usize, from: usize) {
        let outline = self.outline;
        let (target, right, command, delete) = if outline.is(index, "update") {
            (index + 1, Right::Update, true, false)
        } else if outline.is(index, "delete") {
            (index + 2, Right::Delete, true, true)
        } else {
            (index + 2, Right::Insert, false, false)
        };
        *self.frame() = Frame { command, delete, tables: false, from };
        self.item(target, right);
    }

    /// Applies FOR UPDATE, which needs the right to change the locked tables.
    fn lock(&mut self) {
        let from = self.frame().from;
        let locked: Vec<Named> = self.found[from.min(self.found.len())..]
            .iter()
            .filter(|named| named.right == Right::Select)
            .map(|named| Named { right: Right::Update, ..named.clone() })
            .collect();
        self.found.extend(locked);
        // The tables that are locked here need not be locked again.
        *self.frame() = Frame { tables: false, from: self.found.len(), ..*self.frame() };
    }

    /// Reads the table that is named here, if there is one.
    fn item(&mut self, mut index: usize, right: Right) {
        let outline = self.outline;
        while outline.is_any(index, &["only", "lateral"]) {
            index += 1;
        }
        let at = outline.at(index);
        let Some(mut table) = outline.name(index) else { return };
        let mut schema = None;
        if outline.is(index + 1, ".")
            && let Some(name) = outline.name(index + 2)
        {
            schema = Some(std::mem::replace(&mut table, name));
            index += 2;
        }
        let is_function = right == Right::Select && outline.is(index + 1, "(");
        let is_servers = match &schema {
            Some(schema) => schema == "pg_catalog" || schema == "information_schema",
            None => table.starts_with("pg_") || self.within.contains(&table),
        };
        if !is_function && !is_servers {
            self.found.push(Named { schema, table, right, at });
        }
    }
}

#[cfg(test)]
mod tests;
