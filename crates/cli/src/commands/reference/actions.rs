//! The reference page about the actions, made from the application's file.
//!
//! To describe another property of actions or parameters: `section`, or `rule` for the allowed values.

use std::fmt::Write as _;

use quill_admin_actions::{Action, Actions, Kind, Parameter, ParameterWords};
use quill_admin_contract::CHECK;

use crate::task_command::TaskParameter;

/// Makes the page. A parameter that several actions share is described with each of them.
pub(super) fn page(actions: &Actions) -> String {
    let mut page = String::from(
        "# Actions\n\nWhat tasks do, as `application/actions.yaml` declares it. The name of an action is that of its \
         command. Values travel in variables: see [Variables](variables.md).\n\n\
         | action | what it does | writes | variables |\n|---|---|---|---|\n",
    );
    for action in actions.iter() {
        let variables: Vec<String> =
            parameters(action).map(|parameter| format!("`{}`", parameter.variable())).collect();
        row(&mut page, &action.name, &action.words.about, effect(action), &variables.join(", "));
    }
    row(
        &mut page,
        CHECK,
        "connects and looks whether tasks can run: schema, rights, expected rows, TLS; changes nothing",
        "no",
        "",
    );
    for action in actions.iter().filter(|action| !action.words.parameters.is_empty()) {
        section(&mut page, action);
    }
    page
}

fn row(page: &mut String, name: &str, about: &str, writes: &str, variables: &str) {
    let _ = writeln!(page, "| `{name}` | {} | {writes} | {variables} |", cell(about));
}

fn effect(action: &Action) -> &'static str {
    match (action.is_job(), action.writes()) {
        (true, _) => "a job of the application's own does it",
        (false, true) => "yes",
        (false, false) => "no",
    }
}

fn parameters(action: &Action) -> impl Iterator<Item = TaskParameter> {
    action.words.parameters.iter().filter_map(|words| {
        let rule = action.definition.parameters.get(&words.parameter)?.clone();
        Some(TaskParameter { rule, words: words.clone() })
    })
}

fn section(page: &mut String, action: &Action) {
    let _ = write!(page, "\n## `{}`\n\n", action.name);
    for condition in &action.definition.needs {
        let _ = write!(page, "Only where the tables have this: {condition}.\n\n");
    }
    page.push_str("| parameter | flag | rule |\n|---|---|---|\n");
    for parameter in parameters(action) {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            cell(&parameter.words.name),
            flag(&parameter),
            rule(&parameter)
        );
    }
    for parameter in parameters(action) {
        values(page, &parameter);
    }
}

fn flag(parameter: &TaskParameter) -> String {
    if parameter.rule.is_secret() {
        return "`--password-stdin`, `--generate-password`".to_owned();
    }
    let short = parameter.words.short.map_or_else(String::new, |letter| format!("`-{letter}`, "));
    format!("{short}`--{}`", parameter.flag())
}

/// Describes the allowed values of a parameter, and the effect of leaving it out.
fn rule(parameter: &TaskParameter) -> String {
    let TaskParameter { rule, words } = parameter;
    let mut parts = vec![kind(rule)];
    if rule.many {
        parts.push(format!("up to {} of them", Parameter::MOST));
    }
    if let Some(exists) = &rule.exists {
        parts.push(format!("the database has to have it (exit code {})", exists.exit));
    }
    parts.extend(left_out(rule));
    if rule.recorded {
        parts.push("it is recorded".to_owned());
    }
    let mut text = parts.join("; ");
    if !words.suggest.is_empty() {
        let _ = write!(text, "; as a rule {}", listed(words));
    }
    cell(&text)
}

fn kind(rule: &Parameter) -> String {
    match &rule.kind {
        Kind::Text { min, max } => format!("a text of {min} to {max} characters on one line"),
        Kind::Email { max } => format!("an email address of up to {max} characters"),
        Kind::OneOf { .. } => "one of the values below".to_owned(),
        Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Boolean => "`true` or `false`; the flag alone says `true`".to_owned(),
        Kind::Date { min, max } => {
            let limit = |words: &str, day: &Option<String>| {
                day.as_ref().map_or_else(String::new, |day| format!(", {words} {day}"))
            };
            format!("a day, as `2026-11-29`{}{}", limit("not before", min), limit("not after", max))
        }
        Kind::Password { .. } => "a password, of which only the hash travels".to_owned(),
    }
}

fn left_out(rule: &Parameter) -> Option<String> {
    match (&rule.default, &rule.kind) {
        (Some(default), _) => Some(format!("`{default}` where it is left out")),
        (None, Kind::Password { random_if_absent: true, .. }) => {
            Some("a random one that nobody knows where it is left out".to_owned())
        }
        (None, _) if rule.optional => Some("may be left out".to_owned()),
        (None, _) => None,
    }
}

fn listed(words: &ParameterWords) -> String {
    words.suggest.join(", ")
}

/// The values of a closed list, with their meanings and conditions.
fn values(page: &mut String, parameter: &TaskParameter) {
    let Kind::OneOf { values } = &parameter.rule.kind else { return };
    let _ =
        write!(page, "\n| {} | what it means | only with |\n|---|---|---|\n", cell(&parameter.words.name));
    for words in &parameter.words.values {
        let condition = values.get(&words.value).and_then(|value| value.condition.as_ref());
        let condition = condition.map_or_else(String::new, |condition| format!("`{condition}`"));
        let note = words.note.as_deref().unwrap_or_default();
        let _ = writeln!(page, "| `{}` | {} | {condition} |", words.value, cell(note));
    }
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_and_each_of_its_values_is_told() {
        let actions = quill_admin_operations::actions::of_this_run();
        let page = page(actions);
        for action in actions.iter() {
            assert!(
                page.contains(&format!("| `{}` | {} |", action.name, action.words.about)),
                "{}",
                action.name
            );
            let section = format!("\n## `{}`\n", action.name);
            let parameters: Vec<TaskParameter> = parameters(action).collect();
            assert_eq!(page.contains(&section), !parameters.is_empty(), "{}", action.name);
            let told =
                page.split_once(&section).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or(rest));
            for parameter in parameters {
                assert!(told.contains(&flag(&parameter)), "{}: {}", action.name, parameter.name());
                for value in &parameter.words.values {
                    assert!(
                        told.contains(&format!("| `{}` |", value.value)),
                        "{}: {}",
                        action.name,
                        value.value
                    );
                }
            }
        }
    }
}
