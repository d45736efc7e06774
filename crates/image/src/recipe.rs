//! The base images of a Dockerfile, found without building it.
//!
//! Only the relevant instructions are read: `ARG` before the first `FROM`, and `FROM` (Dockerfile reference,
//! "FROM" and "Understand how ARG and FROM interact"). A name that cannot be determined is left out:
//! passwords are looked up only for names that are certain.
//!
//! To read another instruction: [`base_images`], which gets each as one line from `instructions`.

use std::collections::{BTreeSet, HashMap};

/// Largest depth of nested substitutions, as in `${A:-${B}}`.
const DEEPEST: usize = 8;

/// The base images of the stages, each once, in the order of their names. `args` are the given build
/// arguments. Stages of the file itself and `scratch` are not base images.
pub(crate) fn base_images(recipe: &str, args: &[(String, String)]) -> Vec<String> {
    let mut values: HashMap<String, String> = HashMap::new();
    let mut stages: BTreeSet<String> = BTreeSet::new();
    let mut images = BTreeSet::new();
    // From the first stage on, arguments belong to the stage, and no longer to the file.
    let mut begun = false;
    for line in instructions(recipe) {
        let mut words = line.split_whitespace();
        let Some(instruction) = words.next() else { continue };
        if instruction.eq_ignore_ascii_case("ARG") && !begun {
            for word in words {
                let (name, default) =
                    word.split_once('=').map_or((word, None), |(name, default)| (name, Some(default)));
                let given = args.iter().find(|(arg, _)| arg == name).map(|(_, value)| value.clone());
                let value =
                    given.or_else(|| default.and_then(|default| substitute(unquoted(default), &values, 0)));
                if let Some(value) = value {
                    values.insert(name.to_owned(), value);
                }
            }
        } else if instruction.eq_ignore_ascii_case("FROM") {
            begun = true;
            let mut words = words.filter(|word| !word.starts_with("--"));
            let image = words.next().and_then(|name| substitute(unquoted(name), &values, 0));
            let image = image.filter(|image| {
                !image.is_empty() && image != "scratch" && !stages.contains(&image.to_ascii_lowercase())
            });
            images.extend(image);
            if words.next().is_some_and(|word| word.eq_ignore_ascii_case("AS"))
                && let Some(stage) = words.next()
            {
                stages.insert(stage.to_ascii_lowercase());
            }
        }
    }
    images.into_iter().collect()
}

/// The instructions, each on one line, with comments removed and continued lines joined.
fn instructions(recipe: &str) -> Vec<String> {
    let escape = escape(recipe);
    let mut instructions = Vec::new();
    let mut current = String::new();
    for line in recipe.lines() {
        let line = line.trim_end();
        // Comments and empty lines within an instruction are skipped.
        if line.trim_start().starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(begun) = line.strip_suffix(escape) {
            current.push_str(begun);
        } else {
            current.push_str(line);
            instructions.push(std::mem::take(&mut current));
        }
    }
    instructions.push(current);
    instructions
}

/// The character that continues a line: a backslash, unless the file's first lines say otherwise (`#
/// escape=`).
fn escape(recipe: &str) -> char {
    let directives = recipe.lines().map_while(|line| line.trim().strip_prefix('#')?.split_once('='));
    let own = directives.filter(|(key, _)| key.trim().eq_ignore_ascii_case("escape")).last();
    if own.is_some_and(|(_, value)| value.trim() == "`") { '`' } else { '\\' }
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

/// A text with its `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}` substituted; `None` for another
/// form, and for one that is never closed.
fn substitute(text: &str, values: &HashMap<String, String>, depth: usize) -> Option<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(braced) = after.strip_prefix('{') {
            let end = closing(braced)?;
            let (inner, more) = (braced.get(..end)?, braced.get(end + 1..)?);
            rest = more;
            let name_end = inner.find([':', '-', '+']).unwrap_or(inner.len());
            let (name, operation) = inner.split_at(name_end);
            let value = values.get(name).map(String::as_str).unwrap_or_default();
            let word = |word: &str| (depth < DEEPEST).then(|| substitute(word, values, depth + 1))?;
            match (operation.get(..2), operation) {
                (_, "") => result.push_str(value),
                (Some(":-"), _) if value.is_empty() => result.push_str(&word(operation.get(2..)?)?),
                (Some(":-"), _) => result.push_str(value),
                (Some(":+"), _) if value.is_empty() => {}
                (Some(":+"), _) => result.push_str(&word(operation.get(2..)?)?),
                _ => return None,
            }
        } else {
            let end = after
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .unwrap_or(after.len());
            let (name, more) = after.split_at(end);
            rest = more;
            result.push_str(values.get(name)?);
        }
    }
    result.push_str(rest);
    Some(result)
}

/// The place of the brace that closes the one before the text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    for (place, letter) in text.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(place);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(recipe: &str, args: &[(&str, &str)]) -> Vec<String> {
        let args: Vec<(String, String)> =
            args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        base_images(recipe, &args)
    }

    #[test]
    fn the_images_of_all_stages_and_no_stage() {
        let recipe = "# syntax=x\n\
            ARG BUILDER=rust:1 OTHER=\"r.example/p/base:2\"\n\
            from --platform=$P $BUILDER as Builder\nRUN echo FROM no/such\n\
            FROM ${OTHER} AS middle\n\
            FROM builder AS again\n\
            FROM r.example:5000/p/\\\n  # a comment\nx@sha256:00\n\
            FROM scratch AS admin\nCOPY --from=builder /a /a\n";
        let none: [(&str, &str); 0] = [];
        let own = ["r.example/p/base:2", "rust:1"];
        let found = images(recipe, &none);
        assert!(own.iter().all(|image| found.iter().any(|found| found == image)), "{found:?}");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            images(recipe, &[("BUILDER", "mirror.example/rust:1")])
                .contains(&"mirror.example/rust:1".to_owned())
        );
        // A given argument counts only if the file declares it.
        assert!(!images("FROM a/b\n", &[("BUILDER", "c/d")]).contains(&"c/d".to_owned()));
    }

    #[test]
    fn arguments_are_put_in_and_what_cannot_be_told_is_left_out() {
        for (from, image) in [
            ("$A", Some("a")),
            ("${A}", Some("a")),
            ("x/${A}:1", Some("x/a:1")),
            ("${N:-word}", Some("word")),
            ("${N:-${A}}", Some("a")),
            ("${A:+word}", Some("word")),
            ("x${N:+word}", Some("x")),
            ("${A?}", None),
            ("${A", None),
            ("$N", None),
            ("scratch", None),
        ] {
            let found = images(&format!("ARG A=a\nARG N\nFROM {from}\n"), &[]);
            assert_eq!(found.first().map(String::as_str), image, "{from}");
        }
        // An argument of a stage does not belong to the file.
        assert!(images("FROM scratch\nARG A=a\nFROM $A\n", &[]).is_empty());
        assert_eq!(images("# escape=`\nFROM `\n a/b\n", &[]), ["a/b"]);
    }

    #[test]
    fn the_admin_images_own_recipe_starts_from_one_image() {
        let recipe = include_str!("../../../docker/Dockerfile");
        let found = images(recipe, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("rust:"), "{found:?}");
        assert_eq!(images(recipe, &[("BUILDER_IMAGE", "m.example/rust")]), ["m.example/rust"]);
    }
}
