//! Finds names that look alike but differ. The application compares names character by character, so that
//! names are different to it that differ only in case, in how an accent is encoded, or in letters of another
//! script that look Latin.
//!
//! Unicode defines which characters look alike: by the skeletons of "Unicode Security Mechanisms" (UTS 39, section
//! 4), here taken with and without case. They cover pairs within ASCII as well (`rn` and `m`, `l` and `1`).
//!
//! To warn of another kind of likeness: a variant of [`Likeness`], and its comparison in [`Look::likeness`].

use std::fmt;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_security::{MixedScript as _, skeleton};

use crate::invisible::invisible;

/// The look of a name, to be compared with that of others.
#[derive(Debug, Clone)]
pub struct Look {
    name: String,
    composed: String,
    folded: String,
    skeleton: String,
    folded_skeleton: String,
}

/// The only difference between two names that look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// The encoding of the same characters, or characters that cannot be seen.
    Encoding,
    /// Upper and lower case.
    Case,
    /// Other characters of the same look.
    Characters,
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "only their encoding differs",
            Self::Case => "only upper and lower case differ",
            Self::Characters => "some of the characters differ, and look alike",
        })
    }
}

impl Look {
    /// Computes the look of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        // Names that were made elsewhere may have characters that cannot be seen.
        let seen = name.chars().filter(|c| invisible(*c).is_none());
        let composed: String = seen.nfkc().collect();
        let folded = fold(&composed);
        let bones: String = skeleton(&composed).collect();
        let folded_skeleton = fold(&skeleton(&folded).collect::<String>());
        Self { name: name.to_owned(), composed, folded, skeleton: bones, folded_skeleton }
    }

    /// The only difference between these two, where they look alike and are not the same.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> Option<Likeness> {
        if self.name == other.name {
            None
        } else if self.composed == other.composed {
            Some(Likeness::Encoding)
        } else if self.folded == other.folded {
            Some(Likeness::Case)
        } else if self.skeleton == other.skeleton || self.folded_skeleton == other.folded_skeleton {
            Some(Likeness::Characters)
        } else {
            None
        }
    }
}

/// The text without case. It is converted to upper case first, so that `ß` and `ss`, `ς` and `σ` are the
/// same.
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

/// A name with every character outside ASCII named by its number, so that two that look alike can be
/// told apart: `jose\u{301}`.
#[must_use]
pub fn spelled_out(name: &str) -> String {
    name.chars()
        .map(
            |c| if c.is_ascii_graphic() || c == ' ' { c.to_string() } else { c.escape_unicode().to_string() },
        )
        .collect()
}

/// A warning about a name that is not plain ASCII, saying what is unusual about it; `None` for plain ASCII.
#[must_use]
pub fn unusual(name: &str) -> Option<String> {
    if name.is_ascii() {
        return None;
    }
    let mut more = String::new();
    if !is_nfc(name) {
        more.push_str(", its accents are characters of their own (as names from a Mac's file names are)");
    }
    if !name.is_single_script() {
        more.push_str(", its letters are of several scripts");
    }
    Some(format!(
        "the name {name} is not plain ASCII ({}){more}: names are compared character by character, and one that \
         looks the same is another user",
        spelled_out(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(one: &str, other: &str) -> Option<Likeness> {
        let (one, other) = (Look::of(one), Look::of(other));
        assert_eq!(one.likeness(&other), other.likeness(&one), "both ways");
        one.likeness(&other)
    }

    #[test]
    fn what_looks_alike_is_found_however_it_came_about() {
        for (one, other, how) in [
            ("jos\u{e9}", "jose\u{301}", Likeness::Encoding),
            ("steve.jones", "steve\u{200b}.jones", Likeness::Encoding),
            ("ﬁona", "fiona", Likeness::Encoding),
            ("ｓteve", "steve", Likeness::Encoding),
            ("Steve.Jones", "steve.jones", Likeness::Case),
            ("JOSÉ", "jose\u{301}", Likeness::Case),
            ("strauß", "STRAUSS", Likeness::Case),
            // Cyrillic а and о.
            ("p\u{430}ul", "paul", Likeness::Characters),
            ("J\u{43e}hn", "JOHN", Likeness::Characters),
            ("modern", "modem", Likeness::Characters),
            ("bill1", "billl", Likeness::Characters),
            ("test0", "testO", Likeness::Characters),
            // Greek omicron.
            ("r\u{3bf}ot", "root", Likeness::Characters),
        ] {
            assert_eq!(likeness(one, other), Some(how), "{one} {other}");
        }
    }

    #[test]
    fn different_names_are_different() {
        for (one, other) in [
            ("steve.jones", "steve.jones"),
            ("steve.jones", "steve-jones"),
            ("jose", "jos\u{e9}"),
            ("anna", "hanna"),
            ("иван", "ivan"),
            ("user10", "user11"),
        ] {
            assert_eq!(likeness(one, other), None, "{one} {other}");
        }
    }

    #[test]
    fn what_is_unusual_is_told_with_the_numbers_of_the_characters() {
        assert_eq!(unusual("steve.jones+1"), None);
        let composed = unusual("jos\u{e9}").expect("not ASCII");
        assert!(composed.contains("(jos\\u{e9}): names are compared"), "{composed}");
        assert!(unusual("jose\u{301}").expect("not ASCII").contains("jose\\u{301}), its accents"));
        assert!(unusual("p\u{430}ul").expect("not ASCII").contains("several scripts"));
        assert!(!unusual("иван").expect("not ASCII").contains("several scripts"));
    }
}
