//! The quotes around what is named in a sentence.
//!
//! The file of actions names commands in backquotes, as Markdown does. Here a person sees them in double quotes, like
//! everything that is named in this program's own sentences. Documents and records keep the text as it was written.

/// The text with double quotes in place of backquotes around words. A backquote that is part of a word, or has no
/// second one, stays: a person's name may have it.
pub(crate) fn doubled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        out.push_str(before);
        rest = after;
        let opens = out.chars().next_back().is_none_or(|last| !last.is_alphanumeric());
        let quoted = after.split_once('`').filter(|(quoted, behind)| {
            opens
                && !quoted.is_empty()
                && quoted.trim().len() == quoted.len()
                && behind.chars().next().is_none_or(|next| !next.is_alphanumeric())
        });
        match quoted {
            Some((quoted, behind)) => {
                out.extend(["\"", quoted, "\""]);
                rest = behind;
            }
            None => out.push('`'),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_stands_in_double_quotes() {
        for (text, shown) in [
            (
                "put them there with `quill-admin seed-roles`, then",
                "put them there with \"quill-admin seed-roles\", then",
            ),
            ("`a` and (`b c`)", "\"a\" and (\"b c\")"),
            ("nothing named", "nothing named"),
            // What is no pair of quotes.
            ("there is no user o`brien", "there is no user o`brien"),
            ("o`brien and o`neill", "o`brien and o`neill"),
            ("one ` and `` two", "one ` and `` two"),
            ("", ""),
        ] {
            assert_eq!(doubled(text), shown);
        }
    }
}
