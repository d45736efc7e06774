//! Reports about the application's actions: their list, and the result of `actions check`.
//!
//! To add a property of the list: `list_text` for people, and `list_json` for `--json`; the result of `actions check`
//! has the same pair.

use std::fmt::Write as _;

use quill_admin_actions::{Action, Actions};
use quill_admin_operations::config::{Application, Environment};
use serde_json::{Value, json};

use super::deployed_actions::DeployedActions;
use super::document::path;
use super::output::{document_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::symbols;
use crate::quotes;

/// The result of checking actions that are in order.
#[derive(Debug)]
pub struct Checked<'a> {
    /// The folder that they are declared in.
    pub application: &'a Application,
    /// The number of actions.
    pub actions: usize,
    /// The result of trying them in PostgreSQL; `None` where this program was built without it.
    pub tried: Option<Tried<'a>>,
}

/// The result of trying statements on tables.
#[derive(Debug)]
pub struct Tried<'a> {
    /// The number of statements that PostgreSQL has prepared.
    pub statements: usize,
    /// The file that the tables were made from.
    pub tables: &'a str,
    /// Actions that are not for these tables, each with the condition that does not hold.
    pub left_out: Vec<(String, String)>,
}

/// The effect of an action on the database, in one word.
fn effect(action: &Action) -> &'static str {
    if action.is_job() {
        "job"
    } else if action.writes() {
        "writes"
    } else {
        "reads"
    }
}

fn about(action: &Action) -> &str {
    action.words.short_about.as_deref().unwrap_or(&action.words.about)
}

pub(super) fn list_text(
    application: &Application,
    actions: &Actions,
    deployed: Option<&DeployedActions<'_>>,
) -> String {
    let width = |of: &dyn Fn(&Action) -> usize| actions.iter().map(of).max().unwrap_or(0);
    let names = width(&|action| action.name.len());
    let aliases = width(&|action| action.words.alias.as_ref().map_or(0, String::len));
    let mut text = String::new();
    for action in actions.iter() {
        let alias = action.words.alias.as_deref().unwrap_or_default();
        let (name, effect, digest) = (&action.name, effect(action), action.digest());
        let there = deployed.map_or_else(String::new, |image| format!("{:7}  ", image.column(action)));
        let line = format!(
            "{name:names$}  {alias:aliases$}  {effect:6}  {}  {there}{}",
            digest.short(),
            quotes::doubled(about(action))
        );
        let _ = writeln!(text, "{}", clean(&line));
    }
    if actions.iter().any(Action::is_job) {
        text.push_str("\njob: runs a job of the application's own, whose container does the work\n");
    }
    text.push_str(&deployed.map_or_else(String::new, |image| image.below(actions)));
    let _ = writeln!(text, "\nfrom {}", clean(&application.whereabouts()));
    text
}

pub(super) fn list_json(
    application: &Application,
    actions: &Actions,
    deployed: Option<&DeployedActions<'_>>,
) -> Value {
    let list: Vec<Value> = actions
        .iter()
        .map(|action| {
            let mut one = json!({
                "name": action.name,
                "alias": action.words.alias,
                "about": about(action),
                "effect": effect(action),
                "digest": action.digest(),
            });
            if let Some(image) = deployed {
                one["deployed"] = image.of_action_json(action);
            }
            one
        })
        .collect();
    let mut document = json!({"exit_code": 0, "application": folder(application), "actions": list});
    for (name, value) in deployed.map(|image| image.json(actions)).into_iter().flatten() {
        document[name] = value;
    }
    document
}

/// The folder; null for the built-in actions.
fn folder(application: &Application) -> Value {
    json!(application.folder().map(path))
}

/// Names the folder whose actions are confirmed, where the file of the confirmed environments names one.
pub(super) fn confirmed_text(environments: &[&Environment]) -> String {
    let folder = environments.iter().find_map(|environment| environment.source.application.as_ref());
    folder.map_or_else(String::new, |folder| {
        format!("what tasks do is said in {}\n", clean(&folder.display().to_string()))
    })
}

pub(super) fn checked_text(checked: &Checked<'_>) -> String {
    let actions = match checked.actions {
        1 => "1 action".to_owned(),
        many => format!("{many} actions"),
    };
    let mut text = String::new();
    let done = style(symbols::DONE).green();
    let Some(tried) = &checked.tried else {
        let _ = writeln!(
            text,
            "{done} {actions} in order, from {}\n  Their statements were not tried: this quill-admin was built without \
             PostgreSQL in it.",
            clean(&checked.application.whereabouts())
        );
        return text;
    };
    let told = format!("{actions} fit the tables of {}: {} statements", tried.tables, tried.statements);
    let _ = writeln!(text, "{done} {}", clean(&told));
    for (action, needs) in &tried.left_out {
        let _ =
            writeln!(text, "  {}", clean(&format!("not for these tables: {action}, which needs {needs}")));
    }
    let _ = writeln!(text, "\nfrom {}", clean(&checked.application.whereabouts()));
    text
}

pub(super) fn checked_json(checked: &Checked<'_>) -> Value {
    let tried = checked.tried.as_ref();
    let left_out: Option<Vec<Value>> = tried.map(|tried| {
        tried.left_out.iter().map(|(action, needs)| json!({"action": action, "needs": needs})).collect()
    });
    json!({
        "exit_code": 0,
        "application": folder(checked.application),
        "actions": checked.actions,
        "statements": tried.map(|tried| tried.statements),
        "tables": tried.map(|tried| tried.tables),
        "left_out": left_out,
    })
}

impl Reporter {
    /// Lists the application's actions; with `deployed`, together with those of the image.
    pub fn actions(
        &self,
        application: &Application,
        actions: &Actions,
        deployed: Option<&DeployedActions<'_>>,
    ) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&list_json(application, actions, deployed));
        } else {
            to_stdout(&list_text(application, actions, deployed));
        }
        0
    }

    /// Reports that actions are in order, and the result of trying them.
    pub fn actions_checked(&self, checked: &Checked<'_>) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&checked_json(checked));
        } else {
            to_stdout(&checked_text(checked));
        }
        0
    }
}
