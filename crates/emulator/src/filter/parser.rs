//! Reads an expression from the tokens of a filter.
//!
//! To add a function such as `log_id`: its method of [`Parser`], and its branch in `comparison`.

use jiff::Timestamp;
use jiff::civil::Date;
use regex::Regex;

use super::expression::{Expression, Operand, Operator};
use super::tokens::{Token, describe};
use crate::schema::{enum_number, field_names, snake};

/// How deep parentheses and negations can be nested: the reader calls itself for each of them, and a
/// stack has an end. Cloud Logging's own limit is not documented.
pub(super) const DEEPEST: usize = 64;

/// Reads the one expression that all tokens make. No tokens at all match everything.
pub(super) fn parse(tokens: Vec<Token>) -> Result<Expression, String> {
    let mut parser = Parser { tokens, place: 0, depth: 0 };
    if parser.tokens.is_empty() {
        return Ok(Expression::All(Vec::new()));
    }
    let expression = parser.all()?;
    match parser.next() {
        None => Ok(expression),
        Some(token) => Err(format!("unexpected {}", describe(&token))),
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
