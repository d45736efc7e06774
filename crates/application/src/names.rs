//! The rules for names in `actions.yaml`, and the names that are reserved.
//!
//! To reserve a name: its line in `COMMANDS` for a command of `quill-admin`, or in `PARAMETERS` for a flag or a
//! variable of the tool; both lists are sorted.

use std::fmt::Write as _;

/// Commands that `quill-admin` has or will have: no action and no alias may have such a name. `check` is a
/// built-in action.
pub const COMMANDS: [&str; 29] = [
    "actions",
    "attach",
    "ba",
    "build",
    "cancel",
    "check",
    "completions",
    "doctor",
    "each",
    "envs",
    "exec",
    "help",
    "history",
    "init",
    "local",
    "login",
    "logs",
    "man",
    "quill-admin",
    "record-key",
    "reference",
    "restore-backend",
    "review",
    "run",
    "trust",
    "undo",
    "update",
    "version",
    "whoami",
];

/// Parameters whose flag or variable has a meaning for the tool itself: `ADMIN_REASON`, `--env`.
pub(crate) const PARAMETERS: [&str; 40] = [
    "access_token_file",
    "action",
    "action_digest",
    "actor",
    "allow_unpinned",
    "application",
    "color",
    "colour",
    "config",
    "confirm",
    "contract",
    "dry_run",
    "each",
    "endpoint",
    "env",
    "expect",
    "from",
    "generate_password",
    "help",
    "json",
    "log_format",
    "mode",
    "no_input",
    "password_hash",
    "password_stdin",
    "preview",
    "proof_key",
    "quiet",
    "reason",
    "request_id",
    "review",
    "rows",
    "runner",
    "target",
    "timeout",
    "trust_host",
    "undo",
    "verbose",
    "version",
    "yes",
];

/// Letters that are flags of every command: `-e`, `-h`, `-q`, `-v`, `-V`, `-y`.
pub(crate) const LETTERS: [char; 6] = ['e', 'h', 'q', 'v', 'V', 'y'];

/// The rule that [`is_command`] checks, in words.
pub(crate) const COMMAND_RULE: &str =
    "has up to 40 lower-case letters, digits and single hyphens, and begins with a letter";

/// Whether an action may have this name, as far as its characters go.
pub(crate) fn is_command(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

/// The rule that [`is_identifier`] checks, in words.
pub(crate) const IDENTIFIER_RULE: &str =
    "has up to 63 lower-case letters, digits and underscores, and begins with a letter";

/// Whether a parameter, field, subject, table or column may have this name: one that needs no quotes in SQL.
pub(crate) fn is_identifier(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether a parameter's variable would be one of the tool's. Names that begin with `rows_` are reserved as
/// well.
pub(crate) fn is_taken_parameter(name: &str) -> bool {
    PARAMETERS.contains(&name) || name.starts_with("rows_")
}

/// A name with blanks in place of underscores, for people.
pub(crate) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// A text with its first letter in upper case.
pub(crate) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let mut capitalised = String::new();
    if let Some(first) = characters.next() {
        let _ = write!(capitalised, "{}{}", first.to_uppercase(), characters.as_str());
    }
    capitalised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "add-role", "reset-2fa", &"a".repeat(40)] {
            assert!(is_command(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "2fa", "é", "a b", &"a".repeat(41)] {
            assert!(!is_command(bad), "{bad}");
        }
        for good in ["a", "email_verified", "_x", "a1", &"a".repeat(63)] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "1a", "A", "a-b", "é", "a.b", "a b", &"a".repeat(64)] {
            assert!(!is_identifier(bad), "{bad}");
        }
        assert!(
            is_taken_parameter("reason") && is_taken_parameter("rows_1") && !is_taken_parameter("username")
        );
        assert_eq!(capitalised(&spaced("permission_level")), "Permission level");
    }

    #[test]
    fn the_lists_are_in_order_and_name_nothing_twice() {
        assert!(COMMANDS.is_sorted_by(|a, b| a < b) && PARAMETERS.is_sorted_by(|a, b| a < b));
    }
}
