//! Characters that cannot be seen: they move the cursor, turn the reading direction, take no room, or look
//! like a space. A text that holds them is not what it looks like.
//!
//! It is the only such table, used for output ([`shown`]), and for names and passwords that must not have
//! these characters.
//!
//! To add a character: its name in the function of its kind: `control`, `direction`, `space`, `zero_width` or
//! `other`.

use std::borrow::Cow;

/// The name of a character that cannot be seen for what it is, or `None` for every other character.
///
/// These are Unicode's control characters (Cc: C0, delete, C1) and format characters (Cf, some of which are
/// visible), what the standard calls default-ignorable, line and paragraph separators, white space other
/// than U+0020, and a few that fonts leave blank. The properties are those of Unicode 17 (the files
/// `UnicodeData.txt`, `PropList.txt`, `DerivedCoreProperties.txt`); the names are the standard's, in lower
/// case, or its aliases where a character has none.
#[must_use]
pub fn invisible(c: char) -> Option<&'static str> {
    if matches!(c, ' '..='~') {
        return None;
    }
    control(c).or_else(|| direction(c)).or_else(|| space(c)).or_else(|| zero_width(c)).or_else(|| other(c))
}

/// C0, delete and C1.
fn control(c: char) -> Option<&'static str> {
    Some(match c {
        '\0' => "NUL",
        '\u{7}' => "bell",
        '\u{8}' => "backspace",
        '\t' => "tab",
        '\n' => "line feed",
        '\u{b}' => "vertical tab",
        '\u{c}' => "form feed",
        '\r' => "carriage return",
        '\u{1b}' => "escape",
        '\u{7f}' => "delete",
        '\u{85}' => "next line",
        '\u{90}' => "device control string",
        '\u{9b}' => "control sequence introducer",
        '\u{9c}' => "string terminator",
        '\u{9d}' => "operating system command",
        '\u{0}'..='\u{1f}' | '\u{80}'..='\u{9f}' => "control character",
        _ => return None,
    })
}

/// Characters that turn the direction of reading: the property `Bidi_Control`.
fn direction(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{61c}' => "arabic letter mark",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{202a}' => "left-to-right embedding",
        '\u{202b}' => "right-to-left embedding",
        '\u{202c}' => "pop directional formatting",
        '\u{202d}' => "left-to-right override",
        '\u{202e}' => "right-to-left override",
        '\u{2066}' => "left-to-right isolate",
        '\u{2067}' => "right-to-left isolate",
        '\u{2068}' => "first strong isolate",
        '\u{2069}' => "pop directional isolate",
        _ => return None,
    })
}

/// White space that is not U+0020, and letters that look like one.
fn space(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{a0}' => "no-break space",
        '\u{1680}' => "ogham space mark",
        '\u{2000}' => "en quad",
        '\u{2001}' => "em quad",
        '\u{2002}' => "en space",
        '\u{2003}' => "em space",
        '\u{2004}' => "three-per-em space",
        '\u{2005}' => "four-per-em space",
        '\u{2006}' => "six-per-em space",
        '\u{2007}' => "figure space",
        '\u{2008}' => "punctuation space",
        '\u{2009}' => "thin space",
        '\u{200a}' => "hair space",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{202f}' => "narrow no-break space",
        '\u{205f}' => "medium mathematical space",
        '\u{2800}' => "braille pattern blank",
        '\u{3000}' => "ideographic space",
        '\u{115f}' => "hangul choseong filler",
        '\u{1160}' => "hangul jungseong filler",
        '\u{3164}' => "hangul filler",
        '\u{ffa0}' => "halfwidth hangul filler",
        '\u{1d159}' => "musical symbol null notehead",
        _ => return None,
    })
}

/// Characters that take no room.
fn zero_width(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{ad}' => "soft hyphen",
        '\u{34f}' => "combining grapheme joiner",
        '\u{17b4}' => "khmer vowel inherent aq",
        '\u{17b5}' => "khmer vowel inherent aa",
        '\u{180b}'..='\u{180d}' | '\u{180f}' => "mongolian free variation selector",
        '\u{180e}' => "mongolian vowel separator",
        '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{2060}' => "word joiner",
        '\u{2061}' => "function application",
        '\u{2062}' => "invisible times",
        '\u{2063}' => "invisible separator",
        '\u{2064}' => "invisible plus",
        '\u{206a}'..='\u{206f}' => "deprecated format character",
        '\u{feff}' => "byte order mark",
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => "variation selector",
        '\u{e0001}' => "language tag",
        '\u{e0020}'..='\u{e007f}' => "tag character",
        // Characters that are not assigned, and are ignored all the same.
        '\u{2065}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}' => "default-ignorable character",
        _ => return None,
    })
}

/// The remaining format characters.
fn other(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{890}'..='\u{891}' | '\u{8e2}' => "arabic format character",
        '\u{70f}' => "syriac abbreviation mark",
        '\u{fff9}'..='\u{fffb}' => "interlinear annotation character",
        '\u{110bd}' | '\u{110cd}' => "kaithi number sign",
        '\u{13430}'..='\u{1343f}' => "egyptian hieroglyph format character",
        '\u{1bca0}'..='\u{1bca3}' => "shorthand format character",
        '\u{1d173}'..='\u{1d17a}' => "musical symbol format character",
        _ => return None,
    })
}

/// The text as it may be shown: every [`invisible`] character is written as its escape (`\n`, `\u{202e}`),
/// so that a text of others cannot move the cursor, change colours, or look like another text. One text
/// stays one line.
///
/// A tab stays a tab: programs lay out their lines with it, and it does nothing else to a terminal.
/// Backslashes stay as they are, so this is for reading, not for reading back.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| c != '\t' && invisible(c).is_some();
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_not_seen_has_a_name() {
        for (c, name) in [
            ('\u{1b}', "escape"),
            ('\u{9b}', "control sequence introducer"),
            ('\u{7f}', "delete"),
            ('\u{202e}', "right-to-left override"),
            ('\u{2068}', "first strong isolate"),
            ('\u{feff}', "byte order mark"),
            ('\u{200b}', "zero width space"),
            ('\u{2028}', "line separator"),
            ('\u{a0}', "no-break space"),
            ('\u{ad}', "soft hyphen"),
            ('\u{3164}', "hangul filler"),
            ('\u{fe0f}', "variation selector"),
            ('\u{e0041}', "tag character"),
            ('\u{e01ef}', "variation selector"),
            ('\u{2065}', "default-ignorable character"),
            ('\u{1d173}', "musical symbol format character"),
        ] {
            assert_eq!(invisible(c), Some(name), "{c:?}");
        }
        for c in '\0'..=char::MAX {
            let unseen = c.is_control() || (c.is_whitespace() && c != ' ');
            assert!(!unseen || invisible(c).is_some(), "{c:?} has no name");
        }
    }

    #[test]
    fn letters_of_all_scripts_and_signs_are_seen() {
        for c in "Aä~ |\\Ж中日本語한국어עבריתالعربيةไทยहिन्दी🙂→✔…\u{301}\u{fffd}".chars()
        {
            assert_eq!(invisible(c), None, "{c:?}");
        }
    }

    #[test]
    fn what_is_not_seen_is_shown_as_its_escape() {
        assert_eq!(shown("näive → 🙂 \\"), "näive → 🙂 \\");
        assert_eq!(shown("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(shown("\u{202e}txt\u{200b}.\u{feff}\u{9b}"), "\\u{202e}txt\\u{200b}.\\u{feff}\\u{9b}");
        assert_eq!(shown("a\tb"), "a\tb");
        assert!(matches!(shown("plain"), Cow::Borrowed(_)));
    }
}
