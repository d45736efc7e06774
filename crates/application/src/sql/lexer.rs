//! PostgreSQL's lexer, as its documentation (chapter 4.1) and its own `scan.l` define it, with
//! `standard_conforming_strings` on. It finds where literals, comments and names begin and end, and so which
//! colons belong to placeholders.
//!
//! To add a kind of token: its variant of [`Kind`], its branch in `next`, and its case in `lexer/tests.rs`.

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// White space.
    Space,
    /// `-- to the end of the line`.
    LineComment,
    /// `/* with others /* in it */ */`.
    BlockComment,
    /// A string in single quotes or dollar quotes, whatever letter stands before it.
    Literal,
    /// A number.
    Number,
    /// A key word, or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// `:name`.
    Placeholder,
    /// `$1`.
    Positional,
    /// `::`.
    Cast,
    /// Any other character, and `:=`.
    Symbol,
}

/// A token of SQL, with its bytes in the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn text(self, sql: &str) -> &str {
        &sql[self.start..self.end]
    }

    /// Whether the token means anything to the server.
    pub(crate) const fn counts(self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::LineComment | Kind::BlockComment)
    }
}

/// A token without an end: the byte at which it begins, and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endless {
    pub(crate) start: usize,
    pub(crate) what: &'static str,
}

/// Splits SQL into tokens, which together are the whole text.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token>, Endless> {
    let mut lexer = Lexer { sql, at: 0, open: Vec::new(), last: None };
    let mut tokens = Vec::new();
    while lexer.at < sql.len() {
        let start = lexer.at;
        let kind = lexer.next()?;
        let token = Token { kind, start, end: lexer.at };
        if token.counts() {
            lexer.last = Some(token);
        }
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    /// The open brackets: `(` and `[`.
    open: Vec<u8>,
    /// The last token that means anything.
    last: Option<Token>,
}

/// Whether a name may begin with this letter; all letters beyond ASCII may.
const fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

const fn continues_name(byte: u8) -> bool {
    begins_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        &self.sql.as_bytes()[self.at..]
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.byte(0).is_some_and(&belongs) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Result<Kind, Endless> {
        let rest = self.rest();
        let first = rest[0];
        if is_space(first) {
            self.skip_while(is_space);
            return Ok(Kind::Space);
        }
        if rest.starts_with(b"--") {
            self.line_comment();
            return Ok(Kind::LineComment);
        }
        if rest.starts_with(b"/*") {
            return self.block_comment();
        }
        if begins_name(first) {
            return self.word();
        }
        match first {
            b'\'' => self.literal(false),
            b'"' => self.quoted_name(),
            b'$' => self.dollar(),
            b'0'..=b'9' => Ok(self.number()),
            b'.' if self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) => Ok(self.number()),
            b':' => Ok(self.colon()),
            other => {
                match other {
                    b'(' | b'[' => self.open.push(other),
                    b')' | b']' => drop(self.open.pop()),
                    _ => {}
                }
                self.at += 1;
                Ok(Kind::Symbol)
            }
        }
    }

    fn line_comment(&mut self) {
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
    }

    fn block_comment(&mut self) -> Result<Kind, Endless> {
        let start = self.at;
        let mut depth = 0_u32;
        loop {
            let rest = self.rest();
            if rest.starts_with(b"/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with(b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(Kind::BlockComment);
                }
            } else if rest.is_empty() {
                return Err(Endless { start, what: "a comment" });
            } else {
                self.at += 1;
            }
        }
    }

    /// A name, or the literal that it introduces: `E'…'`, `U&'…'`, `U&"…"`. The literals `B'…'`, `X'…'` and
    /// `N'…'` end like any other.
    fn word(&mut self) -> Result<Kind, Endless> {
        let start = self.at;
        self.skip_while(continues_name);
        let word = &self.sql[start..self.at];
        let escapes = word.eq_ignore_ascii_case("e");
        if escapes && self.byte(0) == Some(b'\'') {
            return self.literal(true);
        }
        if word.eq_ignore_ascii_case("u") && self.byte(0) == Some(b'&') {
            match self.byte(1) {
                Some(b'\'') => {
                    self.at += 1;
                    return self.literal(false);
                }
                Some(b'"') => {
                    self.at += 1;
                    return self.quoted_name();
                }
                _ => {}
            }
        }
        Ok(Kind::Word)
    }

    /// A string from its opening quote on. With `escapes` a backslash escapes the next character.
    fn literal(&mut self, escapes: bool) -> Result<Kind, Endless> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.byte(0) {
                None => return Err(Endless { start, what: "a string" }),
                Some(b'\\') if escapes => self.at += 2,
                Some(b'\'') if self.byte(1) == Some(b'\'') => self.at += 2,
                Some(b'\'') => {
                    self.at += 1;
                    // Two strings with a line break between them are one, and the second is read like the
                    // first.
                    match self.continuation().filter(|_| escapes) {
                        Some(quote) => self.at = quote + 1,
                        None => return Ok(Kind::Literal),
                    }
                }
                Some(_) => self.at += 1,
            }
            // The last character may have been a backslash.
            self.at = self.at.min(self.sql.len());
        }
    }

    /// The next quote, if only comments and white space with a line break stand before it.
    fn continuation(&self) -> Option<usize> {
        let mut ahead = Lexer { sql: self.sql, at: self.at, open: Vec::new(), last: None };
        let mut line_break = false;
        loop {
            let rest = ahead.rest();
            match rest.first()? {
                b'\'' => return line_break.then_some(ahead.at),
                b'\n' | b'\r' => {
                    line_break = true;
                    ahead.at += 1;
                }
                byte if is_space(*byte) => ahead.at += 1,
                _ if rest.starts_with(b"--") => ahead.line_comment(),
                _ => return None,
            }
        }
    }

    fn quoted_name(&mut self) -> Result<Kind, Endless> {
        let start = self.at;
        self.at += 1;
        loop {
            match (self.byte(0), self.byte(1)) {
                (None, _) => return Err(Endless { start, what: "a name in quotes" }),
                (Some(b'"'), Some(b'"')) => self.at += 2,
                (Some(b'"'), _) => {
                    self.at += 1;
                    return Ok(Kind::Quoted);
                }
                _ => self.at += 1,
            }
        }
    }

    /// `$1`, or a string in dollar quotes, or a dollar.
    fn dollar(&mut self) -> Result<Kind, Endless> {
        let start = self.at;
        self.at += 1;
        if self.byte(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip_while(|byte| byte.is_ascii_digit());
            return Ok(Kind::Positional);
        }
        if self.byte(0).is_some_and(begins_name) {
            self.skip_while(|byte| begins_name(byte) || byte.is_ascii_digit());
        }
        if self.byte(0) != Some(b'$') {
            self.at = start + 1;
            return Ok(Kind::Symbol);
        }
        self.at += 1;
        let quote = &self.sql[start..self.at];
        match self.sql[self.at..].find(quote) {
            Some(length) => {
                self.at += length + quote.len();
                Ok(Kind::Literal)
            }
            None => Err(Endless { start, what: "a string in dollar quotes" }),
        }
    }

    fn number(&mut self) -> Kind {
        self.skip_while(|byte| byte.is_ascii_digit() || byte == b'.');
        let sign = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
        let digits_behind = self.byte(1 + sign).is_some_and(|digit| digit.is_ascii_digit());
        if matches!(self.byte(0), Some(b'e' | b'E')) && digits_behind {
            self.at += 2;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        Kind::Number
    }

    fn colon(&mut self) -> Kind {
        let slice = self.is_of_a_slice();
        self.at += 1;
        match self.byte(0) {
            Some(b':') => {
                self.at += 1;
                Kind::Cast
            }
            Some(b'=') => {
                self.at += 1;
                Kind::Symbol
            }
            Some(byte) if begins_name(byte) && !slice => {
                self.skip_while(continues_name);
                Kind::Placeholder
            }
            _ => Kind::Symbol,
        }
    }

    /// Whether this colon separates the two ends of a slice, as in `a[1:n]`: directly within square brackets
    /// and after a token that has a value. After a word this holds only without a blank between, since the
    /// word may be a key word, as in `ARRAY[CASE WHEN :x …`.
    fn is_of_a_slice(&self) -> bool {
        self.open.last() == Some(&b'[')
            && self.last.is_some_and(|last| match last.kind {
                Kind::Number | Kind::Literal | Kind::Placeholder | Kind::Positional => true,
                Kind::Word | Kind::Quoted => last.end == self.at,
                Kind::Symbol => [")", "]"].contains(&last.text(self.sql)),
                _ => false,
            })
    }
}

#[cfg(test)]
mod tests;
