//! The access tokens: those that are accepted, and those that the emulator gives out.
//!
//! To change which callers are let in: `Required` and [`Tokens::check`]; `http/sign_in.rs` has the words of a
//! refusal.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The callers that are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Required {
    /// Everybody is let in.
    Nothing,
    /// Only tokens the emulator has given out.
    Issued,
    /// This one, and those the emulator has given out.
    Token(String),
}

struct Issued {
    until: Instant,
    /// Whose token it is; the emulator's usual caller where it says nothing.
    email: Option<String>,
}

struct Inner {
    required: Required,
    issued: HashMap<String, Issued>,
    /// The words with which a refresh is refused, if it is.
    refusal: Option<String>,
}

pub(crate) struct Tokens {
    inner: Mutex<Inner>,
    /// The requirement of the start, to which a reset goes back.
    first: Required,
    lifetime: Duration,
}

/// The reason why a caller is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAuthenticated {
    /// There is no token.
    Missing,
    /// The token is not accepted, or no longer.
    Invalid,
}

impl Tokens {
    pub(crate) fn new(token: Option<String>, lifetime: Duration) -> Self {
        let first = token.map_or(Required::Nothing, Required::Token);
        let inner = Inner { required: first.clone(), issued: HashMap::new(), refusal: None };
        Self { inner: Mutex::new(inner), first, lifetime }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts this token from now on, and none that was accepted before.
    pub(crate) fn set(&self, token: String) {
        let mut inner = self.lock();
        inner.required = Required::Token(token);
        inner.issued.clear();
    }

    /// Accepts no token that was accepted before.
    pub(crate) fn expire(&self) {
        let mut inner = self.lock();
        inner.required = Required::Issued;
        inner.issued.clear();
    }

    /// Refuses to give out tokens for a refresh token, in these words.
    pub(crate) fn refuse_refresh(&self, why: Option<String>) {
        self.lock().refusal = why;
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        self.lock().refusal.clone()
    }

    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        inner.required = self.first.clone();
        inner.issued.clear();
        inner.refusal = None;
    }

    /// Gives out a token, and says how long it is good for.
    pub(crate) fn issue(&self, email: Option<String>, at_most: Option<Duration>) -> (String, Duration) {
        let lifetime = at_most.map_or(self.lifetime, |most| most.min(self.lifetime));
        let token = format!("ya29.emulated-{}", uuid::Uuid::new_v4().simple());
        let now = Instant::now();
        let until = now.checked_add(lifetime).unwrap_or(now);
        let mut inner = self.lock();
        inner.issued.retain(|_, issued| issued.until > now);
        inner.issued.insert(token.clone(), Issued { until, email });
        (token, lifetime)
    }

    /// Checks an `Authorization` header; the caller's address where the token has one of its own.
    pub(crate) fn check(&self, header: Option<&[u8]>) -> Result<Option<String>, NotAuthenticated> {
        let inner = self.lock();
        let token = header
            .and_then(|header| header.strip_prefix(b"Bearer "))
            .and_then(|token| std::str::from_utf8(token).ok());
        let issued = token.and_then(|token| inner.issued.get(token));
        match issued.filter(|issued| issued.until > Instant::now()) {
            Some(issued) => return Ok(issued.email.clone()),
            None if inner.required == Required::Nothing => return Ok(None),
            None => {}
        }
        match (header, &inner.required, token) {
            (_, Required::Token(required), Some(token)) if required == token => Ok(None),
            (None, ..) => Err(NotAuthenticated::Missing),
            _ => Err(NotAuthenticated::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tokens: &Tokens, token: &str) -> Result<Option<String>, NotAuthenticated> {
        tokens.check(Some(format!("Bearer {token}").as_bytes()))
    }

    #[test]
    fn everybody_is_let_in_until_a_token_is_asked_for() {
        let tokens = Tokens::new(None, Duration::from_hours(1));
        assert_eq!(tokens.check(None), Ok(None));
        assert_eq!(check(&tokens, "any"), Ok(None));
        tokens.set("one".to_owned());
        assert_eq!(tokens.check(None), Err(NotAuthenticated::Missing));
        assert_eq!(check(&tokens, "any"), Err(NotAuthenticated::Invalid));
        assert_eq!(tokens.check(Some(b"one")), Err(NotAuthenticated::Invalid));
        assert_eq!(check(&tokens, "one"), Ok(None));
        tokens.set("two".to_owned());
        assert_eq!(check(&tokens, "one"), Err(NotAuthenticated::Invalid));
        tokens.reset();
        assert_eq!(check(&tokens, "any"), Ok(None));
    }

    #[test]
    fn what_was_given_out_is_accepted_for_its_time() {
        let tokens = Tokens::new(Some("one".to_owned()), Duration::from_hours(1));
        let (token, lifetime) = tokens.issue(Some("robot@p".to_owned()), Some(Duration::from_hours(2)));
        assert_eq!(lifetime, Duration::from_hours(1));
        assert_eq!(check(&tokens, &token), Ok(Some("robot@p".to_owned())));
        let (short, _) = tokens.issue(None, Some(Duration::ZERO));
        assert_eq!(check(&tokens, &short), Err(NotAuthenticated::Invalid));
        tokens.expire();
        assert_eq!(check(&tokens, &token), Err(NotAuthenticated::Invalid));
        assert_eq!(check(&tokens, "one"), Err(NotAuthenticated::Invalid));
        let (new, _) = tokens.issue(None, None);
        assert_eq!(check(&tokens, &new), Ok(None));
    }
}
