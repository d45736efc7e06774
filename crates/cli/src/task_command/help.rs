//! The help of a task command, made from its parameters.
//!
//! To add a kind of parameter: `of_flag` for the line of its flag, `explained` for the text below, and
//! `example_of` for a value in the examples.

use std::fmt::Write as _;

use quill_admin_actions::{Job, Kind, Listing};

use super::{OneValue, TaskParameter};
use crate::wrap::{WIDTH, lines};

/// Capitalises a text.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

/// The help of a parameter's flag.
pub(super) fn of_flag(parameter: &TaskParameter) -> String {
    let mut text = parameter.words.ask.clone();
    if let Kind::OneOf { .. } = parameter.rule.kind {
        let names: Vec<String> = parameter.candidates().into_iter().map(|value| value.name).collect();
        let _ = write!(text, ": {}", listed(&names));
    }
    let limits = match &parameter.rule.kind {
        Kind::Integer { min, max } => Some(format!("{min} to {max}")),
        Kind::Date { .. } => Some("as in 2026-11-29".to_owned()),
        _ => None,
    };
    if let Some(limits) = limits {
        let _ = write!(text, ", {limits}");
    }
    if parameter.rule.many {
        text.push_str("; can be given several times");
    }
    match &parameter.rule.default {
        Some(default) => {
            let _ = write!(text, " [default: {default}]");
        }
        None if parameter.rule.optional => text.push_str(" [optional]"),
        None => {}
    }
    text
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    }
}

/// The first text in the help of an action that runs a job of the application.
pub(super) fn of_job(job: Option<&Job>) -> String {
    let Some(job) = job else { return String::new() };
    let text = format!(
        "Runs the application's own job {}, and ends with the exit code of its container. What the job changed it \
         does not tell.",
        job.name
    );
    wrapped(&text) + "\n\n"
}

/// The text in the help of an action that lists rows.
pub(super) fn of_rows(listing: Option<&Listing>) -> String {
    if listing.is_none() {
        return String::new();
    }
    let text = "At a terminal the list is a table. In a pipe or a file it is one row a line, with tabs between the values \
                and no line with the names of the columns; --json has the names.";
    wrapped(text) + "\n\n"
}

/// The text below the options: the meanings of values, the treatment of a password, and examples.
pub(super) fn below_options(name: &str, alias: Option<&str>, parameters: &[TaskParameter]) -> String {
    let mut parts: Vec<String> = parameters.iter().filter_map(explained).collect();
    let examples = examples(name, alias, parameters);
    let title = if examples.len() == 1 { "Example" } else { "Examples" };
    parts.push(format!("{title}:\n{}", examples.concat().trim_end()));
    parts.join("\n\n")
}

/// Explains the values of a parameter, where that takes more than the line of its flag.
fn explained(parameter: &TaskParameter) -> Option<String> {
    let name = capitalised(&parameter.words.name);
    match &parameter.rule.kind {
        Kind::Password { random_if_absent: true, .. } => Some(wrapped(&format!(
            "Without a flag for the {} it is a random one that nobody knows. It is hashed on this machine: it is never \
             sent anywhere.",
            parameter.words.name
        ))),
        Kind::Password { .. } => Some(wrapped(&format!(
            "Asks for what no flag gives. The {} is hidden, asked twice, and hashed on this machine: it is never sent \
             anywhere.",
            parameter.words.name
        ))),
        Kind::OneOf { .. } => {
            let values = parameter.candidates();
            values.iter().any(|value| !value.note.is_empty()).then(|| table(&name, &values))
        }
        _ if parameter.words.suggest.is_empty() => None,
        _ => Some(wrapped(&format!(
            "{name}, as a rule: {}. The database decides which exist.",
            parameter.words.suggest.join(", ")
        ))),
    }
}

/// A table of values with their notes. A note that is too long continues on the next line.
fn table(name: &str, values: &[OneValue]) -> String {
    let width = values.iter().map(|value| value.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{name}:");
    for value in values {
        let before = format!("  {:width$}  ", value.name);
        let room = WIDTH.saturating_sub(before.chars().count()).max(20);
        let note = lines(&value.note, room).join(&format!("\n{}", " ".repeat(width + 4)));
        let _ = write!(text, "\n{}", format!("{before}{note}").trim_end());
    }
    text
}

fn wrapped(text: &str) -> String {
    lines(text, WIDTH).join("\n")
}

/// Command lines that run the task, each ending with a line feed.
fn examples(name: &str, alias: Option<&str>, parameters: &[TaskParameter]) -> Vec<String> {
    let is_needed = |parameter: &&TaskParameter| parameter.rule.is_required();
    let flags: Vec<String> = parameters.iter().filter(is_needed).filter_map(example_of).collect();
    let password = parameters.iter().find(|parameter| parameter.rule.is_secret());
    let Some(password) = password else {
        let name = format!("quill-admin {name} --env staging");
        return vec![command(&[vec![name], flags].concat())];
    };
    let (short, all) = (alias.unwrap_or(name), |last: &str| [flags.clone(), vec![last.to_owned()]].concat());
    let begins = |words: &str| vec![words.to_owned()];
    let mut examples = vec![];
    if password.rule.is_required() {
        examples.push(command(&begins(&format!("quill-admin {name} --env staging"))));
    } else {
        examples
            .push(command(&[begins(&format!("quill-admin {name} --env staging")), flags.clone()].concat()));
    }
    let generated = begins(&format!("quill-admin {short} -e local"));
    examples.push(command(&[generated, all("--generate-password")].concat()));
    let piped = begins(&format!("pass show quill | quill-admin {short} -e local"));
    examples.push(command(&[piped, all("--password-stdin")].concat()));
    examples
}

/// The flag of a parameter with a possible value; `None` for a password, which has other flags.
fn example_of(parameter: &TaskParameter) -> Option<String> {
    let flag = match parameter.words.short {
        Some(letter) => format!("-{letter}"),
        None => format!("--{}", parameter.flag()),
    };
    let value = match &parameter.rule.kind {
        Kind::Password { .. } => return None,
        Kind::Boolean => return Some(flag),
        Kind::OneOf { values } => {
            // A value is preferred that every generation of the tables has.
            let always = |name: &String| values.get(name).is_some_and(|value| value.condition.is_none());
            let mut names = parameter.words.values.iter().map(|words| &words.value);
            names.clone().find(|name| always(name)).or_else(|| names.next())?.clone()
        }
        Kind::Email { .. } => "steve@example.org".to_owned(),
        Kind::Integer { min, .. } => min.to_string(),
        Kind::Date { min, .. } => min.clone().unwrap_or_else(|| "2026-11-29".to_owned()),
        Kind::Text { .. } => match parameter.words.suggest.get(1).or(parameter.words.suggest.first()) {
            Some(suggested) => suggested.clone(),
            None if parameter.name() == "username" => "steve.jones".to_owned(),
            None => parameter.value_name(),
        },
    };
    let quoted =
        if value.contains(' ') { format!("\"{value}\"") } else { shell_words::quote(&value).into_owned() };
    Some(format!("{flag} {quoted}"))
}

/// One command line, with a backslash where it continues on the next line.
fn command(words: &[String]) -> String {
    let mut text = String::new();
    let mut line = String::from("  ");
    for word in words {
        let blank = if line.trim().is_empty() { "" } else { " " };
        // There has to be room for a backslash.
        if !blank.is_empty() && line.chars().count() + 1 + word.chars().count() + 2 > WIDTH {
            let _ = writeln!(text, "{line} \\");
            line = format!("      {word}");
        } else {
            let _ = write!(line, "{blank}{word}");
        }
    }
    format!("{text}{line}\n")
}
