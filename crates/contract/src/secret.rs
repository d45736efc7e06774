//! Types for texts that must not be printed: [`Secret`], [`Password`] (in plain text, until it is hashed) and
//! [`PasswordHash`]. They are redacted in every form of printing, and their memory is wiped when they are dropped.
//!
//! To change which passwords are refused: [`Password::parse`] here, for every side; `password.rs` of the crate `cli`
//! judges how easily one is guessed. To change the hash: the constants below, which are the parameters of the
//! application's own login, and [`PasswordHash::parse`], which takes no other form.

use std::fmt;

use argon2::password_hash::{PasswordVerifier as _, phc};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::is_nfc;
use zeroize::{Zeroize as _, Zeroizing};

use crate::value::{InvalidValue, Problem, control_character, invisible_character};

/// A text that must not be printed: no `Display`, `Debug` is redacted, the memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. The caller is responsible for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A user's password in plain text. It exists only until it is hashed.
///
/// It is kept exactly as typed. Passwords are refused that the application's login could never accept, or
/// that nobody can type again: the login hashes the bytes that it gets, so that a character which cannot be
/// seen (a byte order mark before a piped password), or an accent that is a character of its own, locks the
/// user out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password(Secret);

impl Password {
    /// Longest password accepted, in characters.
    pub const MAX: usize = 1024;

    /// Checks the rules that hold for every password; the CLI judges how strong it is.
    ///
    /// # Errors
    ///
    /// Fails if the password is blank, too long, holds a control character or one that cannot be seen, or is
    /// not in Unicode's form C.
    pub fn parse(text: Secret) -> Result<Self, InvalidValue> {
        let plain = text.expose();
        let length = plain.chars().count();
        let problem = if plain.trim().is_empty() {
            Some(Problem::Empty)
        } else if length > Self::MAX {
            Some(Problem::TooLong { length, max: Self::MAX })
        } else if let Some(problem) = control_character(plain) {
            Some(problem)
        } else if let Some(problem) = invisible_character(plain) {
            Some(problem)
        } else if !is_nfc(plain) {
            Some(Problem::MustBe(
                "in composed form (Unicode NFC), where a letter and its accent are one character: this one is in \
                 another form, as it comes from some files and web pages, and a keyboard that types the composed form \
                 would not log in. Type it in place of pasting it",
            ))
        } else if plain.trim().len() != plain.len() {
            Some(Problem::SurroundingWhiteSpace)
        } else {
            None
        };
        match problem {
            Some(problem) => Err(InvalidValue::new("password", problem)),
            None => Ok(Self(text)),
        }
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Hashes it with the application's own parameters and a fresh salt. Takes about 0.2 s of CPU
    /// and 64 MiB of memory.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness or no memory to give.
    #[must_use]
    pub fn hash(&self) -> PasswordHash {
        Hasher::new().hash(self)
    }
}

/// Hashes passwords one after the other in the same 64 MiB of memory. To get so much from the system and to give it
/// back takes a fifth of the time of a hash.
pub struct Hasher {
    argon2: Argon2<'static>,
    memory: Vec<Block>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Hasher {
    /// Makes a hasher, and allocates its memory.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no memory to give.
    #[must_use]
    pub fn new() -> Self {
        let params =
            Params::new(MEMORY_KIB, ITERATIONS, LANES, None).expect("the application's parameters are valid");
        let memory = vec![Block::default(); params.block_count()];
        Self { argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params), memory }
    }

    /// Hashes a password as [`Password::hash`] does.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness to give.
    #[must_use]
    pub fn hash(&mut self, password: &Password) -> PasswordHash {
        let (mut salt, mut hash) = ([0; 16], Zeroizing::new([0; 32]));
        getrandom::fill(&mut salt).expect("the operating system has randomness");
        self.argon2
            .hash_password_into_with_memory(
                password.expose().as_bytes(),
                &salt,
                &mut hash[..],
                &mut self.memory,
            )
            .expect("the lengths are those that Argon2 takes");
        let salt = phc::Salt::new(&salt).expect("it is as long as a salt");
        let hash = phc::Output::new(&hash[..]).expect("it is as long as a hash");
        PasswordHash { phc: Secret::new(format!("{PREFIX}{salt}${hash}")), is_of_nobody: false }
    }

    /// Hashes a random password that nobody knows and nobody ever will: the account exists, and nobody can log in
    /// until a password is set.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness to give.
    #[must_use]
    pub fn hash_of_nobody(&mut self) -> PasswordHash {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut bytes[..]).expect("the operating system has randomness");
        let hash = self.hash(&Password(Secret::new(hex::encode(&bytes[..]))));
        PasswordHash { is_of_nobody: true, ..hash }
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// The memory is wiped, since its content depends on the last password.
impl Drop for Hasher {
    fn drop(&mut self) {
        self.memory.zeroize();
    }
}

// The application's parameters, measured on its own hashes: 64 MiB, 3 passes, 4 lanes.
const MEMORY_KIB: u32 = 64 * 1024;
const ITERATIONS: u32 = 3;
const LANES: u32 = 4;
const PREFIX: &str = "$argon2id$v=19$m=65536,t=3,p=4$";
const SALT_LENGTH: usize = 22;
const HASH_LENGTH: usize = 43;

/// A password hash the application's login accepts: an argon2id PHC string of exactly 97 characters
/// with the application's own parameters.
///
/// The login crashes on any other form (padding, another order, a trailing newline), so nothing
/// else can be made into this type. A hash is treated as a secret too: it can be attacked offline.
#[derive(Debug, Clone)]
pub struct PasswordHash {
    phc: Secret,
    is_of_nobody: bool,
}

/// Two hashes are the same if their texts are, wherever they come from.
impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        self.phc == other.phc
    }
}

impl Eq for PasswordHash {}

impl PasswordHash {
    /// Whether [`Hasher::hash_of_nobody`] made it. A hash that was read does not tell.
    #[must_use]
    pub const fn is_of_nobody(&self) -> bool {
        self.is_of_nobody
    }

    /// Accepts a hash in exactly the form that the application's login accepts.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an argon2id PHC string of 97 characters with the application's parameters.
    pub fn parse(text: Secret) -> Result<Self, InvalidValue> {
        let exact = text.expose().strip_prefix(PREFIX).and_then(|rest| rest.split_once('$')).is_some_and(
            |(salt, hash)| {
                salt.len() == SALT_LENGTH
                    && hash.len() == HASH_LENGTH
                    && phc::PasswordHash::new(text.expose()).is_ok()
            },
        );
        if exact {
            Ok(Self { phc: text, is_of_nobody: false })
        } else {
            Err(InvalidValue::new(
                "password hash",
                Problem::MustBe(
                    "an argon2id PHC string of 97 characters: $argon2id$v=19$m=65536,t=3,p=4$, \
                     22 characters of unpadded base64, $, 43 characters of unpadded base64",
                ),
            ))
        }
    }

    /// Whether it is the hash of a password. Takes as long as to make one.
    #[must_use]
    pub fn is_of(&self, password: &Password) -> bool {
        let hash = phc::PasswordHash::new(self.expose());
        hash.is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
    }

    /// The PHC string.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.phc.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PasswordHash, InvalidValue> {
        PasswordHash::parse(Secret::new(text.to_owned()))
    }

    #[test]
    fn a_hash_has_the_applications_form_and_verifies() {
        let password = Password::parse(Secret::new("päss wörd, = ^ 🙂".to_owned())).expect("valid");
        let hash = password.hash();
        assert_eq!(hash.expose().len(), 97);
        assert!(parse(hash.expose()).is_ok());
        let parsed = phc::PasswordHash::new(hash.expose()).expect("PHC");
        Argon2::default().verify_password(password.expose().as_bytes(), &parsed).expect("verifies");
        assert_ne!(password.hash(), hash, "salted");
        assert!(!hash.is_of_nobody() && Hasher::new().hash_of_nobody().is_of_nobody());
    }

    #[test]
    fn only_the_exact_form_is_a_hash() {
        let salt = "c29tZXNhbHRzb21lc2FsdA";
        let hash = "RdescudvJCsgt3ub+b4dWRWJTmaaJObG1sJzVLmYRhY";
        let good = format!("$argon2id$v=19$m=65536,t=3,p=4${salt}${hash}");
        assert!(parse(&good).is_ok(), "{good}");
        for bad in [
            format!("{good}\n"),
            format!("{good} "),
            format!("{good}="),
            format!(" {good}"),
            good.replace("m=65536,t=3,p=4", "t=3,m=65536,p=4"),
            good.replace("m=65536", "m=65537"),
            good.replace("argon2id", "argon2i"),
            good.replace("v=19", "v=16"),
            good.replace(salt, &salt[1..]),
            good.replace('+', "-"),
            good[..96].to_owned(),
            String::new(),
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        let password = Password::parse(Secret::new("planted-secret".to_owned())).expect("valid");
        assert_eq!(format!("{password:?}"), "Password([redacted])");
        let refused = Password::parse(Secret::new(" planted-secret".to_owned())).expect_err("blank");
        assert!(!format!("{refused} {refused:?}").contains("planted"));
        let refused = parse("planted-secret").expect_err("not a hash");
        assert!(!format!("{refused} {refused:?}").contains("planted"));
    }

    #[test]
    fn passwords_are_kept_as_typed_or_refused() {
        for bad in ["", "   ", " x", "x ", "a\nb", "a\0b"] {
            assert!(Password::parse(Secret::new(bad.to_owned())).is_err(), "{bad:?}");
        }
        for (unseen, name) in [
            ("\u{feff}correct horse", "byte order mark"),
            ("correct horse\u{200b}", "zero width space"),
            ("correct\u{a0}horse", "no-break space"),
            ("correct\u{ad}horse", "soft hyphen"),
            ("\u{202e}correct horse", "right-to-left override"),
        ] {
            let refused = Password::parse(Secret::new(unseen.to_owned())).expect_err(name).to_string();
            assert!(refused.contains(name), "{refused}");
            assert!(!refused.contains("correct"), "{refused}");
        }
        let refused = Password::parse(Secret::new("pa\u{308}ssword".to_owned())).expect_err("in two parts");
        assert!(refused.to_string().contains("composed form"), "{refused}");
        for good in ["a b", "x", "Ж,=^\"'", "p\u{e4}ssword", "🙂 é"] {
            assert_eq!(Password::parse(Secret::new(good.to_owned())).expect(good).expose(), good);
        }
    }
}
