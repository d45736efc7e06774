//! Passwords: judged, made, read from a pipe.

use std::io::Read;

use quill_admin_contract::{Email, Password, Secret, Username};
use zxcvbn::Score;

use crate::error::CliError;

/// Fewer characters are refused however strong they look.
pub const MIN_LENGTH: usize = 12;

/// Checks form and strength; the message says what would be better, and never quotes the password.
pub fn judge(text: Secret, username: &Username, email: &Email) -> Result<Password, String> {
    let password = Password::parse(text).map_err(|problem| problem.to_string())?;
    let length = password.expose().chars().count();
    if length < MIN_LENGTH {
        return Err(format!(
            "the password has {length} characters; at least {MIN_LENGTH} are needed. Several unrelated words work well"
        ));
    }
    let (local, _) = email.as_str().split_once('@').unwrap_or((email.as_str(), ""));
    let known = [username.as_str(), email.as_str(), local, "quill", "quill medical"];
    let estimate = zxcvbn::zxcvbn(password.expose(), &known);
    if estimate.score() >= Score::Three {
        return Ok(password);
    }
    let mut message = "the password is too easy to guess".to_owned();
    if let Some(feedback) = estimate.feedback() {
        if let Some(warning) = feedback.warning() {
            message = format!("{message}: {}", sentence(&warning.to_string()));
        }
        for advice in feedback.suggestions() {
            message = format!("{message}. {}", advice.to_string().trim_end_matches('.'));
        }
    }
    Err(message)
}

/// Lower-case first letter, no full stop: to stand behind a colon.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// 32 characters that are not mistaken for one another when read aloud or copied by hand.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password of 100 bits from the operating system's randomness, in four groups.
pub fn generate() -> Result<Password, CliError> {
    let failed = |why: String| {
        CliError::new(quill_admin_contract::ExitCode::Unexpected, format!("failed to make a password: {why}"))
    };
    let mut bytes = zeroize::Zeroizing::new([0u8; 20]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| failed(error.to_string()))?;
    let mut text = String::with_capacity(23);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 5 == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: every character is equally likely.
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Password::parse(Secret::new(text)).map_err(|problem| failed(problem.to_string()))
}

/// Nobody's password is longer; a file piped in by mistake is.
const STDIN_LIMIT: u64 = 64 * 1024;

/// Reads `--password-stdin`: exactly one line, with or without its line break.
pub fn from_stdin(stdin: impl Read) -> Result<Secret, CliError> {
    let refused = |why: &str| CliError::usage(format!("--password-stdin: {why}"));
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    stdin
        .take(STDIN_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(&format!("failed to read stdin: {error}")))?;
    if bytes.len() as u64 > STDIN_LIMIT {
        return Err(refused("stdin holds more than a password"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("the password is not valid UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(refused("stdin is empty; give the password as one line"));
    }
    if line.contains(['\n', '\r']) {
        return Err(refused("stdin holds more than one line; give the password alone, as one line"));
    }
    Ok(Secret::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(password: &str) -> Result<Password, String> {
        let username = "steve.jones".parse().expect("valid");
        let email = "steve.jones@example.org".parse().expect("valid");
        judge(Secret::new(password.to_owned()), &username, &email)
    }

    #[test]
    fn weak_passwords_are_refused_with_advice_and_never_quoted() {
        for weak in [
            "short",
            "passwordpassword",
            "steve.jones2026",
            "steve.jones@example.org",
            "aaaaaaaaaaaaaaaa",
            "qwertyuiop12",
        ] {
            let message = verdict(weak).expect_err(weak);
            assert!(!message.contains(weak), "{message}");
        }
        assert!(verdict("correct horse battery staple 9").is_ok());
    }

    #[test]
    fn a_generated_password_is_good_and_new() {
        let one = generate().expect("made");
        assert_eq!(one.expose().len(), 23);
        assert!(verdict(one.expose()).is_ok());
        assert_ne!(one, generate().expect("made"));
    }

    #[test]
    fn stdin_is_one_line() {
        let read = |text: &str| from_stdin(text.as_bytes()).map(|secret| secret.expose().to_owned());
        assert_eq!(read("p w\n").expect("one line"), "p w");
        assert_eq!(read("p w").expect("one line"), "p w");
        assert_eq!(read("p w\r\n").expect("one line"), "p w");
        for bad in ["", "\n", "a\nb", "a\n\n", "a\rb"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(from_stdin(std::io::repeat(b'a')).is_err(), "an endless stream ends");
        assert!(from_stdin(&b"\xff"[..]).is_err());
    }
}
