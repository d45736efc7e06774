//! Takes a filter apart into its tokens.
//!
//! To add a kind of token: its variant of [`Token`], where `tokens` finds it, and its words in `describe`.

use std::iter::Peekable;
use std::str::Chars;

use super::expression::Operator;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
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

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
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

pub(super) fn describe(token: &Token) -> String {
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
