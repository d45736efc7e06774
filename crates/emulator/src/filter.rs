//! The Logging query language, as far as one execution's logs need it and a little further.
//!
//! Source: "Logging query language" in Cloud Logging's documentation. OR binds tighter than AND;
//! expressions side by side are joined by AND; text is compared without regard to case; a
//! comparison with a field an entry does not have never holds, so that `NOT field = x` finds what
//! `field != x` does not. What is not understood is an error, never "everything".

use std::iter::Peekable;
use std::str::Chars;

use jiff::Timestamp;
use jiff::civil::Date;
use regex::Regex;
use serde_json::Value;

use crate::schema::{enum_number, field_names, snake};

/// How deep parentheses and negations can be nested: the reader calls itself for each of them, and a
/// stack has an end. Cloud Logging's own limit is not documented.
const DEEPEST: usize = 64;

/// The longest filter, in characters ("Usage limits" in Cloud Logging's documentation: the length of
/// a query).
const LONGEST: usize = 20_000;

pub(crate) struct Filter(Expression);

enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Compare {
        field: Vec<String>,
        operator: Operator,
        value: Operand,
    },
    /// A text anywhere in the entry.
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Has,
    Matches,
    MatchesNot,
}

#[derive(Clone)]
enum Operand {
    Text(String),
    /// `field:*`, which holds where there is such a field.
    Present,
    Pattern(Regex),
    /// A severity, by its number.
    Severity(i64),
    Time(Timestamp),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// Text without quotes, which can be a keyword.
    Bare(String),
    Quoted(String),
    Operator(Operator),
    Dot,
    Comma,
    Minus,
    Open,
    Close,
}

impl Filter {
    /// Reads a filter; an empty one matches everything.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.chars().nth(LONGEST).is_some() {
            return Err(format!("the filter is longer than {LONGEST} characters"));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens, place: 0, depth: 0 };
        if parser.tokens.is_empty() {
            return Ok(Self(Expression::All(Vec::new())));
        }
        let expression = parser.all()?;
        match parser.next() {
            None => Ok(Self(expression)),
            Some(token) => Err(format!("unexpected {}", describe(&token))),
        }
    }

    pub(crate) fn matches(&self, entry: &Value) -> bool {
        self.0.holds(entry)
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(&letter) = letters.peek() {
        if letter.is_whitespace() {
            letters.next();
            continue;
        }
        if let Some(operator) = operator(&mut letters)? {
            tokens.push(Token::Operator(operator));
            continue;
        }
        let token = match letter {
            '(' => Token::Open,
            ')' => Token::Close,
            '.' => Token::Dot,
            ',' => Token::Comma,
            '"' => {
                letters.next();
                tokens.push(Token::Quoted(quoted(&mut letters)?));
                continue;
            }
            '-' => {
                letters.next();
                if letters.peek() == Some(&'-') {
                    // A comment, to the end of its line.
                    while letters.next().is_some_and(|letter| letter != '\n') {}
                    continue;
                }
                // After an operator it is a sign, before a term it means NOT.
                if matches!(tokens.last(), Some(Token::Operator(_))) {
                    let number = bare(&mut letters);
                    tokens.push(Token::Bare(format!("-{number}")));
                } else {
                    tokens.push(Token::Minus);
                }
                continue;
            }
            letter if is_bare(letter) => {
                tokens.push(Token::Bare(bare(&mut letters)));
                continue;
            }
            other => return Err(format!("unexpected character '{other}'")),
        };
        letters.next();
        tokens.push(token);
    }
    Ok(tokens)
}

fn operator(letters: &mut Peekable<Chars<'_>>) -> Result<Option<Operator>, String> {
    let Some(&first) = letters.peek() else {
        return Ok(None);
    };
    if !"=!<>:".contains(first) {
        return Ok(None);
    }
    letters.next();
    let second = letters.peek().copied();
    let (operator, is_long) = match (first, second) {
        ('=', Some('~')) => (Operator::Matches, true),
        ('!', Some('~')) => (Operator::MatchesNot, true),
        ('!', Some('=')) => (Operator::NotEqual, true),
        ('>', Some('=')) => (Operator::GreaterOrEqual, true),
        ('<', Some('=')) => (Operator::LessOrEqual, true),
        ('=', _) => (Operator::Equal, false),
        ('>', _) => (Operator::Greater, false),
        ('<', _) => (Operator::Less, false),
        (':', _) => (Operator::Has, false),
        _ => return Err(format!("unexpected character '{first}'")),
    };
    if is_long {
        letters.next();
    }
    Ok(Some(operator))
}

fn is_bare(letter: char) -> bool {
    letter.is_alphanumeric() || "_/*%$@+".contains(letter)
}

/// A word; inside it a minus is a letter like any other, and so is a colon between digits (a time
/// of day) and a point beside a digit (a number, a fraction of a second).
fn bare(letters: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(&letter) = letters.peek() {
        let begins_with_digit = word.starts_with(|first: char| first.is_ascii_digit());
        let belongs = is_bare(letter)
            || (letter == '-' && !word.is_empty())
            || (begins_with_digit && (letter == ':' || letter == '.'));
        if !belongs {
            break;
        }
        word.push(letter);
        letters.next();
    }
    word
}

fn quoted(letters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Ok(text),
            '\\' => match letters.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(other @ ('"' | '\\' | '\'')) => text.push(other),
                // Regular expressions are full of these, and keep them.
                Some(other) => {
                    text.push('\\');
                    text.push(other);
                }
                None => break,
            },
            other => text.push(other),
        }
    }
    Err("a quoted string does not end".to_owned())
}

fn describe(token: &Token) -> String {
    match token {
        Token::Bare(text) => format!("'{text}'"),
        Token::Quoted(text) => format!("\"{text}\""),
        Token::Operator(operator) => format!("operator {operator:?}"),
        Token::Dot => "'.'".to_owned(),
        Token::Comma => "','".to_owned(),
        Token::Minus => "'-'".to_owned(),
        Token::Open => "'('".to_owned(),
        Token::Close => "')'".to_owned(),
    }
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    /// How many parentheses and negations are around the place.
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.place).cloned();
        self.place += 1;
        token
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Bare(text)) if text == word);
        if found {
            self.place += 1;
        }
        found
    }

    /// What is joined by AND, or by nothing.
    fn all(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.any()?];
        loop {
            let joined = self.keyword("AND");
            match self.peek() {
                None | Some(Token::Close) if joined => {
                    return Err("an expression is missing after AND".to_owned());
                }
                None | Some(Token::Close) => break,
                Some(_) => parts.push(self.any()?),
            }
        }
        Ok(single(parts, Expression::All))
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.term()?];
        while self.keyword("OR") {
            parts.push(self.term()?);
        }
        Ok(single(parts, Expression::Any))
    }

    /// Reads what is one level further in.
    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth == DEEPEST {
            return Err(format!("the filter is nested deeper than {DEEPEST} levels"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn term(&mut self) -> Result<Expression, String> {
        if self.keyword("NOT") {
            return Ok(Expression::Not(Box::new(self.inside(Self::term)?)));
        }
        match self.peek() {
            Some(Token::Minus) => {
                self.place += 1;
                Ok(Expression::Not(Box::new(self.inside(Self::term)?)))
            }
            Some(Token::Open) => {
                self.place += 1;
                let inner = self.inside(Self::all)?;
                self.close()?;
                Ok(inner)
            }
            _ => self.comparison(),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        match self.next() {
            Some(Token::Close) => Ok(()),
            Some(token) => Err(format!("expected ')', found {}", describe(&token))),
            None => Err("a ')' is missing".to_owned()),
        }
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let mut field = vec![self.name()?];
        if field == ["log_id"] && self.peek() == Some(&Token::Open) {
            return self.log_id();
        }
        if self.peek() == Some(&Token::Open) {
            return Err(format!("the function '{}' is not emulated", field[0]));
        }
        while self.peek() == Some(&Token::Dot) {
            self.place += 1;
            field.push(self.name()?);
        }
        let Some(Token::Operator(operator)) = self.peek().cloned() else {
            return match &field[..] {
                [text] if !is_keyword(text) => Ok(Expression::Text(text.clone())),
                [text] => Err(format!("unexpected '{text}'")),
                _ => Err(format!("an operator is missing after {}", field.join("."))),
            };
        };
        self.place += 1;
        let field = known(field)?;
        if self.peek() == Some(&Token::Open) {
            self.place += 1;
            let values = self.all_values(&field, operator)?;
            self.close()?;
            return Ok(values);
        }
        self.value(field, operator)
    }

    /// `log_id("run.googleapis.com/stdout")`
    fn log_id(&mut self) -> Result<Expression, String> {
        self.place += 1;
        let Some(Token::Quoted(id) | Token::Bare(id)) = self.next() else {
            return Err("log_id takes the name of a log".to_owned());
        };
        self.close()?;
        let pattern = format!("(?i)/logs/{}$", regex::escape(&id.replace('/', "%2F")));
        Ok(Expression::Compare {
            field: vec!["logName".to_owned()],
            operator: Operator::Matches,
            value: Operand::Pattern(Regex::new(&pattern).map_err(|error| error.to_string())?),
        })
    }

    /// `field = ("a" OR "b")`
    fn all_values(&mut self, field: &[String], operator: Operator) -> Result<Expression, String> {
        let mut parts = vec![self.any_value(field, operator)?];
        while self.keyword("AND") {
            parts.push(self.any_value(field, operator)?);
        }
        Ok(single(parts, Expression::All))
    }

    fn any_value(&mut self, field: &[String], operator: Operator) -> Result<Expression, String> {
        let mut parts = vec![self.one_value(field, operator)?];
        while self.keyword("OR") {
            parts.push(self.one_value(field, operator)?);
        }
        Ok(single(parts, Expression::Any))
    }

    fn one_value(&mut self, field: &[String], operator: Operator) -> Result<Expression, String> {
        if self.keyword("NOT") {
            let inner = self.inside(|parser| parser.one_value(field, operator))?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        self.value(field.to_vec(), operator)
    }

    fn value(&mut self, field: Vec<String>, operator: Operator) -> Result<Expression, String> {
        let (mut text, quoted) = match self.next() {
            Some(Token::Quoted(text)) => (text, true),
            Some(Token::Bare(text)) if !is_keyword(&text) => (text, false),
            Some(token) => return Err(format!("expected a value, found {}", describe(&token))),
            None => return Err(format!("a value is missing after {}", field.join("."))),
        };
        // Words with points in them need no quotes: logName:run.googleapis.com
        while !quoted && self.peek() == Some(&Token::Dot) {
            self.place += 1;
            text.push('.');
            text.push_str(&self.name()?);
        }
        let value = match (field.first().map(String::as_str), operator) {
            (_, Operator::Has) if text == "*" && !quoted => Operand::Present,
            (_, Operator::Matches | Operator::MatchesNot) => {
                Operand::Pattern(Regex::new(&text).map_err(|_| format!("bad regular expression \"{text}\""))?)
            }
            (Some("severity"), _) => Operand::Severity(
                enum_number("google.logging.type.LogSeverity", &text)
                    .or_else(|| text.parse().ok())
                    .ok_or_else(|| format!("'{text}' is not a severity"))?,
            ),
            (Some("timestamp" | "receiveTimestamp"), _) => {
                Operand::Time(time(&text).ok_or_else(|| format!("'{text}' is not a time"))?)
            }
            _ => Operand::Text(text),
        };
        Ok(Expression::Compare { field, operator, value })
    }

    fn name(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Bare(text) | Token::Quoted(text)) => Ok(text),
            Some(token) => Err(format!("expected a field, found {}", describe(&token))),
            None => Err("the filter ends where a field should be".to_owned()),
        }
    }
}

fn single(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn is_keyword(text: &str) -> bool {
    ["AND", "OR", "NOT"].contains(&text)
}

/// A field's path in the entry's JSON names; both spellings are taken.
fn known(mut field: Vec<String>) -> Result<Vec<String>, String> {
    let first = field.first().cloned().unwrap_or_default();
    let name = field_names("google.logging.v2.LogEntry").find(|name| *name == first || snake(name) == first);
    match name {
        Some(name) => {
            name.clone_into(&mut field[0]);
            Ok(field)
        }
        None => Err(format!("Field not found: '{first}'")),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let date: Date = text.parse().ok()?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(midnight.timestamp())
    })
}

impl Expression {
    fn holds(&self, entry: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(entry)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(entry)),
            Self::Not(inner) => !inner.holds(entry),
            Self::Text(text) => contains_anywhere(entry, &text.to_lowercase()),
            Self::Compare { field, operator, value } => {
                if let Operand::Severity(wanted) = value {
                    let word = entry["severity"].as_str().unwrap_or("DEFAULT");
                    let own = enum_number("google.logging.type.LogSeverity", word).unwrap_or(0);
                    return compare(*operator, own.cmp(wanted));
                }
                let mut found = Vec::new();
                collect(entry, field, &mut found);
                found.iter().any(|own| fits(own, *operator, value))
            }
        }
    }
}

/// The values at a path; a list stands for each of its items.
fn collect<'a>(value: &'a Value, path: &[String], found: &mut Vec<&'a Value>) {
    if let Value::Array(items) = value {
        for item in items {
            collect(item, path, found);
        }
        return;
    }
    match path {
        [] => found.push(value),
        [first, rest @ ..] => {
            if let Some(inner) = value.get(first) {
                collect(inner, rest, found);
            }
        }
    }
}

fn fits(own: &Value, operator: Operator, value: &Operand) -> bool {
    let plain = || match own {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Operand::Present => !own.is_null(),
        Operand::Pattern(pattern) => pattern.is_match(&plain()) == (operator == Operator::Matches),
        Operand::Time(wanted) => own
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
            .is_some_and(|own| compare(operator, own.cmp(wanted))),
        Operand::Severity(_) => false,
        Operand::Text(wanted) => {
            if let (Some(own), Ok(wanted)) = (own.as_f64(), wanted.parse::<f64>()) {
                return own.partial_cmp(&wanted).is_some_and(|order| compare(operator, order));
            }
            let (own, wanted) = (plain().to_lowercase(), wanted.to_lowercase());
            if operator == Operator::Has {
                return own.contains(&wanted);
            }
            compare(operator, own.cmp(&wanted))
        }
    }
}

fn compare(operator: Operator, order: std::cmp::Ordering) -> bool {
    match operator {
        Operator::Equal | Operator::Has => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Matches | Operator::MatchesNot => false,
    }
}

fn contains_anywhere(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own.to_lowercase().contains(text),
        Value::Number(own) => own.to_string() == text,
        Value::Bool(own) => own.to_string() == text,
        Value::Array(items) => items.iter().any(|item| contains_anywhere(item, text)),
        Value::Object(entries) => entries.values().any(|item| contains_anywhere(item, text)),
        Value::Null => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry() -> Value {
        json!({
            "logName": "projects/p/logs/run.googleapis.com%2Fstdout",
            "insertId": "abc",
            "severity": "WARNING",
            "timestamp": "2026-01-02T03:04:05.5Z",
            "resource": {"type": "cloud_run_job", "labels": {"job_name": "admin"}},
            "labels": {"run.googleapis.com/execution_name": "admin-x1"},
            "jsonPayload": {"message": "Say \"hello\"", "count": 3, "tags": ["a", "b"]},
        })
    }

    fn holds(filter: &str) -> bool {
        Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&entry())
    }

    #[test]
    fn comparisons() {
        for filter in [
            "",
            "  -- only a comment\n",
            r#"resource.type="cloud_run_job""#,
            "resource.type = cloud_run_job",
            r#"labels."run.googleapis.com/execution_name"="admin-x1""#,
            r#"labels."run.googleapis.com/execution_name"=admin-x1"#,
            r#"log_name="projects/p/logs/run.googleapis.com%2Fstdout""#,
            "logName:run.googleapis.com",
            r#"log_id("run.googleapis.com/stdout")"#,
            "severity>=WARNING",
            "severity = warning",
            "severity<500",
            "severity!=INFO",
            "severity=(ERROR OR WARNING)",
            r#"timestamp>="2026-01-02T03:04:05.5Z""#,
            "timestamp>2026-01-02T03:04:05Z",
            "timestamp<2026-01-03",
            r#"timestamp<="2026-01-02T04:04:05.5+01:00""#,
            "jsonPayload.count>2",
            "jsonPayload.count=3",
            "jsonPayload.count>-1",
            r#"jsonPayload.message="say \"HELLO\"""#,
            "jsonPayload.message:hello",
            "jsonPayload.message=~\"hel+o\"",
            "jsonPayload.message!~\"^hello\"",
            "jsonPayload.tags=b",
            "jsonPayload.count:*",
            "json_payload.count:*",
            "hello",
            "NOT jsonPayload.nothing=1",
            "-jsonPayload.nothing=1",
            r#"insertId="abc""#,
        ] {
            assert!(holds(filter), "{filter}");
        }
        for filter in [
            "resource.type=cloud_run",
            "severity>WARNING",
            "timestamp>2026-01-02T03:04:05.5Z",
            "jsonPayload.nothing!=1",
            "jsonPayload.nothing:*",
            "NOT hello",
            r#"log_id("run.googleapis.com/stderr")"#,
        ] {
            assert!(!holds(filter), "{filter}");
        }
    }

    #[test]
    fn the_filters_of_the_clients_there_are() {
        for filter in [
            // One execution, as the API's guide has it.
            r#"resource.type="cloud_run_job" AND resource.labels.job_name="admin" AND labels."run.googleapis.com/execution_name"="admin-x1""#,
            // `gcloud run jobs logs read`
            "resource.type = \"cloud_run_job\" resource.labels.job_name = \"admin\" severity >= DEFAULT",
            // `gcloud logging read FILTER`
            r#"timestamp>="2026-01-01T09:10:11.123456Z" AND resource.type=cloud_run_job"#,
            "resource.type=(\"cloud_run_job\" OR \"cloud_run_revision\")\n-- newest\n-severity=DEBUG",
        ] {
            assert!(holds(filter), "{filter}");
        }
    }

    #[test]
    fn or_binds_tighter_than_and() {
        let (yes, no) = ("insertId=abc", "insertId=x");
        // As (no OR yes) AND yes; the other way round it would hold as well, so both shapes.
        assert!(holds(&format!("{no} OR {yes} AND {yes}")));
        assert!(!holds(&format!("{yes} OR {yes} AND {no}")));
        assert!(!holds(&format!("{no} AND {yes} OR {yes}")));
        assert!(!holds(&format!("{no} {yes} OR {yes}")));
        assert!(holds(&format!("({no} AND {yes}) OR {yes}")));
        assert!(holds(&format!("NOT {no} {yes}")));
        assert!(!holds(&format!("NOT ({no} OR {yes})")));
    }

    #[test]
    fn depth_and_length_have_an_end() {
        for (open, close) in [("(", ")"), ("NOT ", ""), ("- ", ""), ("NOT (", ")"), ("insertId=(NOT ", ")")] {
            for levels in [1_000, 3_000, 50_000] {
                let filter = format!("{}insertId=abc{}", open.repeat(levels), close.repeat(levels));
                assert!(Filter::parse(&filter).is_err(), "{levels} times {open}");
            }
        }
        let values = format!("insertId=({}abc)", "NOT ".repeat(3_000));
        assert!(Filter::parse(&values).is_err());
        let deepest = format!("{}insertId=abc{}", "(".repeat(DEEPEST), ")".repeat(DEEPEST));
        assert!(holds(&deepest));
        assert!(Filter::parse(&format!("({deepest})")).is_err());
        // One after the other is not one in the other.
        assert!(holds(&"(insertId=abc) ".repeat(1_000)));
        assert!(Filter::parse(&"a".repeat(LONGEST)).is_ok());
        assert!(Filter::parse(&"a".repeat(LONGEST + 1)).is_err());
    }

    /// Random filters, of the language's own pieces, are read or refused: they never panic.
    #[test]
    fn no_filter_is_too_odd() {
        const PIECES: &[&str] = &[
            "(",
            ")",
            "NOT ",
            "AND ",
            "OR ",
            "-",
            "--",
            "\n",
            ".",
            ",",
            "\"",
            "\\",
            "=",
            "!=",
            "=~",
            "!~",
            ":",
            "*",
            "<",
            ">=",
            "insertId",
            "severity",
            "timestamp",
            "jsonPayload",
            "log_id",
            "abc",
            "3",
            "2026-01-02",
            "12:30:00.5",
            "é",
            "\u{202e}",
            "(?i)",
            "[",
            "WARNING",
            " ",
            "\0",
        ];
        // A linear congruential generator (Knuth's MMIX) makes the same filters in each run.
        let mut state = 1_u64;
        let mut below = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % limit
        };
        for _ in 0..20_000 {
            let filter: String = (0..below(40)).map(|_| PIECES[below(PIECES.len())]).collect();
            if let Ok(filter) = Filter::parse(&filter) {
                filter.matches(&entry());
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for filter in [
            "colour=red",
            "severity>=LOUD",
            "timestamp>yesterday",
            "insertId=",
            "insertId=abc AND",
            "(insertId=abc",
            "insertId=abc)",
            "insertId=\"abc",
            "resource.type",
            "AND",
            "sample(insertId, 0.5)",
            "insertId=abc OR",
            "jsonPayload.message=~\"(\"",
            "!x",
            "insertId=abc;",
            "{}",
        ] {
            assert!(Filter::parse(filter).is_err(), "{filter}");
        }
    }
}
