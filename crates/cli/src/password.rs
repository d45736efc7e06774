//! Passwords: their rules, and the ways to get one: generated, or read from stdin.
//!
//! [`judge`] refuses a password that is too short or too easy to guess; words of the application and the user
//! count for nothing in it (`known.rs`). To add such words: [`PasswordRules`].

mod known;

use std::io::{self, Read};

use quill_admin_contract::{Password, Secret};
use zeroize::Zeroizing;
use zxcvbn::Score;

use known::Known;
use quill_admin_operations::error::CliError;

/// The rules for a password.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    /// The smallest number of characters, however strong the password looks. As many have to be left without
    /// the words that count for nothing.
    pub minimum: usize,
    /// The smallest score of the whole password, and of its rest without those words.
    pub score: Score,
    /// Words that count for nothing for every user: those of the application, and those that people like to
    /// choose for such accounts.
    pub words: Vec<String>,
}

impl Default for PasswordRules {
    /// The rules for a superadmin of Quill Medical.
    fn default() -> Self {
        let words = "quill medical medicine med health healthcare clinic clinical clinician hospital patient \
                     doctor nurse nhs staff advocate support consultant profession admin administrator \
                     administration superadmin superuser sysadmin root super user username login logon account \
                     access permission password passwort passphrase passwd pass pwd secret welcome changeme \
                     change letmein security secure system database auth cloud google run job temp temporary \
                     test testing demo dev development stage staging teaching training prod production live \
                     local localhost default january february march april may june july august september \
                     october november december spring summer autumn winter monday tuesday wednesday thursday \
                     friday saturday sunday";
        Self {
            minimum: 12,
            score: Score::Three,
            words: words.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// The person that a password is for, and the environment: their words count for nothing.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Known names of the person, such as the login name.
    pub names: &'a [&'a str],
    /// Known email addresses of the person.
    pub emails: &'a [&'a str],
    /// The environment's name.
    pub environment: &'a str,
    /// The environment's project in Google Cloud.
    pub project: &'a str,
}

/// Checks form and strength of a password.
///
/// # Errors
///
/// Fails with a message that says what would be better, and never quotes the password.
pub fn judge(text: Secret, rules: &PasswordRules, owner: Owner<'_>) -> Result<Password, String> {
    let minimum = rules.minimum;
    let password = Password::parse(text).map_err(|problem| problem.to_string())?;
    let length = password.expose().chars().count();
    if length < minimum {
        let characters = if length == 1 { "character" } else { "characters" };
        return Err(format!(
            "the password has {length} {characters}; at least {minimum} are needed. Several unrelated words work well"
        ));
    }
    let theirs = || owner.names.iter().chain(owner.emails).copied();
    let locals = owner.emails.iter().map(|email| email.split_once('@').map_or(*email, |(local, _)| local));
    let first: Vec<&str> = theirs().chain(locals).chain(["quill", "quill medical"]).collect();
    hard_to_guess(password.expose(), &first, rules.score)?;

    // A person who knows all these words must not guess the password more easily.
    let place = [owner.environment, owner.project];
    let known = Known::new(theirs().chain(place).chain(rules.words.iter().map(String::as_str)));
    let left = known.without(password.expose());
    let length = left.chars().count();
    let worthless =
        "words of the application, the environment and the user count for nothing, and so do years";
    if length < minimum {
        return Err(format!(
            "the password is too easy to guess: {worthless}; without them {length} of at least {minimum} characters \
             are left. Several unrelated words work well"
        ));
    }
    // A telephone number, a date or an account's number is long, but easy to look up.
    if !left.contains(char::is_alphabetic) {
        return Err(format!(
            "the password is too easy to guess: digits and signs alone, or beside words that count for nothing, \
             may be a telephone number or a date ({worthless}). Several unrelated words work well"
        ));
    }
    let words: Vec<String> = known.words().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    hard_to_guess(&left, &words, rules.score).map_err(|why| format!("{why} ({worthless})"))?;
    Ok(password)
}

/// Estimates the number of guesses with [zxcvbn](https://github.com/dropbox/zxcvbn), which tries `first`
/// before everything else.
fn hard_to_guess(text: &str, first: &[&str], score: Score) -> Result<(), String> {
    let estimate = zxcvbn::zxcvbn(text, first);
    if estimate.score() >= score {
        return Ok(());
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

/// Lower-cases the first letter and removes the full stop, so that the text can follow a colon.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The 32 characters that are not mistaken for one another when read aloud or copied by hand.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Makes a password of 100 bits from the operating system's randomness, in four groups.
///
/// # Errors
///
/// Fails when the operating system gives no random bytes.
pub fn generate() -> Result<Password, CliError> {
    let failed = |why: String| {
        CliError::new(quill_admin_contract::ExitCode::Unexpected, format!("failed to make a password: {why}"))
    };
    let mut bytes = Zeroizing::new([0u8; 20]);
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

/// The most bytes that are read from stdin: no password is longer, but a file that is piped in by mistake is.
const STDIN_LIMIT: usize = 64 * 1024;

/// Stdin without a buffer: that of the standard library would keep a copy of what was read.
#[must_use]
pub fn stdin() -> impl Read {
    #[cfg(unix)]
    struct Stdin;
    #[cfg(unix)]
    impl Read for Stdin {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            Ok(rustix::io::retry_on_intr(|| rustix::io::read(rustix::stdio::stdin(), &mut *bytes))?)
        }
    }
    #[cfg(unix)]
    return Stdin;
    // The standard library reads from the system alone where a console or a pipe is asked for this much.
    #[cfg(windows)]
    return io::stdin();
}

/// Reads `--password-stdin`: exactly one line, with or without its line break. The text is kept in one place,
/// which does not move and is wiped.
///
/// # Errors
///
/// Fails when stdin cannot be read, and when it does not hold exactly one line of UTF-8.
pub fn from_stdin(mut stdin: impl Read) -> Result<Secret, CliError> {
    let refused = |why: &str| CliError::usage(format!("--password-stdin: {why}"));
    let mut bytes = Zeroizing::new(vec![0; STDIN_LIMIT + 1]);
    let mut length = 0;
    loop {
        match stdin.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refused(&format!("failed to read stdin: {error}"))),
        }
    }
    if length > STDIN_LIMIT {
        return Err(refused("stdin holds more than a password"));
    }
    let text =
        std::str::from_utf8(&bytes[..length]).map_err(|_| refused("the password is not valid UTF-8"))?;
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
        let owner = Owner {
            names: &["steve.jones"],
            emails: &["steve.jones@example.org"],
            environment: "teaching",
            project: "quill-medical-teaching",
        };
        judge(Secret::new(password.to_owned()), &PasswordRules::default(), owner)
    }

    #[test]
    fn words_of_the_application_and_the_user_are_no_strength() {
        for weak in [
            "quillmedical2026",
            "quill medical steve.jones",
            "QuillMedical-SteveJones-2026!",
            "5t3v3.j0n35@3x4mpl3.0rg",
            "lacidem lliuq senoj evets",
            "q u i l l m e d i c a l s t e v e",
            "Teaching-Superadmin-2025-2026",
            "Winter-November-29",
            "+44 20 7946 0958 113",
            "Steve-07700900461-4719283",
        ] {
            let message = verdict(weak).expect_err(weak);
            assert!(message.starts_with("the password is too easy to guess"), "{message}");
            assert!(!message.contains(weak), "{message}");
        }
        assert!(verdict("quill medical correct horse battery staple").is_ok());
    }

    #[test]
    fn rules_are_a_setting() {
        let owner =
            Owner { names: &["steve"], emails: &["s@example.org"], environment: "staging", project: "p" };
        let verdict = |rules: &PasswordRules, text: &str| judge(Secret::new(text.to_owned()), rules, owner);
        let phrase = "walrus teapot glacier umbrella";
        let rules = PasswordRules::default();
        assert!(verdict(&rules, phrase).is_ok());
        let longer = PasswordRules { minimum: 40, ..rules.clone() };
        assert!(verdict(&longer, phrase).expect_err("too short").contains("at least 40 are needed"));
        let words = ["walrus", "teapot", "glacier"].map(str::to_owned).into();
        let known = PasswordRules { words, ..rules };
        assert!(verdict(&known, phrase).expect_err("known").contains("8 of at least 12 characters"));
    }

    /// Words that count for nothing, in whatever form, never pass; a password made by chance always does.
    #[test]
    fn no_combination_of_known_words_passes() {
        const WORDS: [&str; 14] = [
            "quill",
            "medical",
            "steve",
            "jones",
            "example",
            "org",
            "teaching",
            "superadmin",
            "admin",
            "clinic",
            "password",
            "hospital",
            "patient",
            "2026",
        ];
        const JOINTS: [&str; 8] = ["", "", "-", " ", ".", "_", "!", "+1"];
        const ENDS: [&str; 7] = ["", "!", "2026", "1999!", "26", "123", "#1"];
        let leet = |text: &str| {
            text.chars()
                .map(|c| match c {
                    'a' => '4',
                    'e' => '3',
                    'i' => '1',
                    'o' => '0',
                    's' => '$',
                    c => c,
                })
                .collect::<String>()
        };
        let written = move |word: &str, how: u8| match how {
            1 => word.to_uppercase(),
            2 => word[..1].to_uppercase() + &word[1..],
            3 => word.chars().rev().collect(),
            4 => leet(word),
            5 => word.chars().flat_map(|c| [c, '.']).collect(),
            _ => word.to_owned(),
        };
        let piece = (0..WORDS.len(), 0..JOINTS.len(), 0..8u8);
        let strategy = (proptest::collection::vec(piece, 1..7), 0..ENDS.len());
        let config = proptest::test_runner::Config { failure_persistence: None, ..Default::default() };
        proptest::test_runner::TestRunner::new(config)
            .run(&strategy, |(pieces, end)| {
                let mut text = String::new();
                for (word, joint, how) in pieces {
                    text += &written(WORDS[word], how);
                    text += JOINTS[joint];
                }
                text += ENDS[end];
                proptest::prop_assert!(verdict(&text).is_err(), "{}", text);
                Ok(())
            })
            .expect("none passes");
    }

    #[test]
    fn passphrases_and_passwords_made_by_chance_pass() {
        // The words are from the EFF's list for passphrases (https://www.eff.org/dice).
        const WORDS: [&str; 40] = [
            "abacus",
            "blizzard",
            "cucumber",
            "dolphin",
            "elbow",
            "fidgety",
            "grapefruit",
            "hazelnut",
            "igloo",
            "jubilant",
            "kilogram",
            "lavender",
            "marmalade",
            "napkin",
            "otter",
            "pancake",
            "quicksand",
            "ravioli",
            "saxophone",
            "tadpole",
            "unicorn",
            "vanilla",
            "walnut",
            "yogurt",
            "zigzag",
            "backpack",
            "cartwheel",
            "dragonfly",
            "eggplant",
            "flamingo",
            "gargle",
            "hamster",
            "icing",
            "jigsaw",
            "kettle",
            "limes",
            "mustard",
            "nectar",
            "oblong",
            "penguin",
        ];
        let strategy = proptest::collection::vec(0..WORDS.len(), 5..8);
        let config = proptest::test_runner::Config { failure_persistence: None, ..Default::default() };
        proptest::test_runner::TestRunner::new(config)
            .run(&strategy, |words| {
                let mut different = words.clone();
                different.sort_unstable();
                different.dedup();
                proptest::prop_assume!(different.len() == words.len());
                for joint in [" ", "-", ""] {
                    let text = words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(joint);
                    proptest::prop_assert!(verdict(&text).is_ok(), "{}", text);
                }
                Ok(())
            })
            .expect("all pass");
        for _ in 0..300 {
            let made = generate().expect("made");
            assert!(verdict(made.expose()).is_ok(), "{}", made.expose());
        }
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
