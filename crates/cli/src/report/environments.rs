//! Reports about the environments of a file, and about those that were confirmed.
//!
//! To add a property of environments: `list` for people, and `document_of` for `--json`.

use std::fmt::Write as _;

use quill_admin_operations::config::init::Written;
use quill_admin_operations::config::{Config, Environment};
use serde_json::{Value, json};

use super::output::{document_to_stdout, result_document, result_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::{actions, document, lines, symbols};

/// One line for each environment.
fn list(environments: &[Environment]) -> String {
    let mut text = String::new();
    let width = environments.iter().map(|e| e.name.chars().count()).max().unwrap_or(0);
    for environment in environments {
        let place = environment.whereabouts();
        let protected = if environment.protected { " (protected)" } else { "" };
        let _ = writeln!(text, "{:width$}  {}{protected}", clean(&environment.name), clean(&place));
    }
    text
}

pub(super) fn environments_text(config: &Config, environments: &[Environment]) -> String {
    let mut text = list(environments);
    let _ = writeln!(text, "\nfrom {}", clean(&config.path().display().to_string()));
    if config.missing().is_some() {
        text.push_str("others need a file of your own, which this writes: quill-admin init\n");
    }
    text
}

pub(super) fn written_text(written: &Written) -> String {
    let path = clean(&written.path.display().to_string());
    let mut text = format!("wrote {path}\n\n{}", list(&written.environments));
    if let Some(before) = &written.instead_of {
        let before = clean(&before.display().to_string());
        let _ = writeln!(text, "\nit is used here in place of {before}");
    }
    text
}

/// The next step for a person whose file was written.
pub(super) fn written_next(written: &Written) -> String {
    let mut text = String::new();
    let whose = if written.confirmed {
        "tasks go there without a further question as long as the file stays as it is"
    } else {
        "before the first task you are asked whether that is right"
    };
    let edit = format!(
        "look whether the projects are yours: \"environments\", from line {}; edit what is not; {whose}",
        written.line
    );
    lines::hint_line(&mut text, &edit);
    if let Some(folder) = &written.left_behind {
        let told = format!(
            "the environment local is a new one here; what it has kept without a file stays in {}",
            folder.display()
        );
        lines::hint_line(&mut text, &told);
    }
    lines::hint_line(&mut text, "then see what quill-admin makes of it: quill-admin envs");
    text
}

pub(super) fn written_json(written: &Written) -> Value {
    let mut document = document_of(&document::path(&written.path), &written.environments);
    document["confirmed"] = json!(written.confirmed);
    document["instead_of"] = json!(written.instead_of.as_deref().map(document::path));
    document
}

pub(super) fn confirmed_text(config: &Config, environments: &[&Environment]) -> String {
    if environments.is_empty() {
        return "nothing to confirm: tasks for an emulated environment run on this machine, and reach no project\n"
            .to_owned();
    }
    let mut text = String::new();
    for environment in environments {
        let (project, job) = (&environment.job.project, &environment.job.job);
        let told = format!("tasks for {} go to project {project}, job {job}", environment.name);
        let _ = writeln!(text, "{} {}", style(symbols::DONE).green(), clean(&told));
    }
    if config.missing().is_none() {
        let _ = writeln!(text, "\nas long as {} stays as it is", clean(&config.path().display().to_string()));
    }
    text
}

pub(super) fn environments_json(config: &Config, environments: &[Environment]) -> Value {
    document_of(&file(config), environments)
}

fn document_of(file: &Value, environments: &[Environment]) -> Value {
    let list: Vec<Value> = environments
        .iter()
        .map(|environment| {
            json!({
                "name": environment.name,
                "project": environment.job.project,
                "region": environment.job.region,
                "job": environment.job.job,
                "image": environment.image.to_string(),
                "protected": environment.protected,
                "preview": if environment.preview_required { "required" } else { "optional" },
                "emulated": environment.is_embedded(),
            })
        })
        .collect();
    json!({"exit_code": 0, "file": file, "environments": list})
}

pub(super) fn confirmed_json(config: &Config, environments: &[&Environment]) -> Value {
    let list: Vec<Value> = environments
        .iter()
        .map(|environment| {
            json!({
                "name": environment.name,
                "project": environment.job.project,
                "job": environment.job.job,
                "application": environment.source.application.as_deref().map(document::path),
            })
        })
        .collect();
    json!({"exit_code": 0, "file": file(config), "confirmed": list})
}

/// The path of the file, where there is one.
fn file(config: &Config) -> Value {
    if config.missing().is_some() { Value::Null } else { document::path(config.path()) }
}

impl Reporter {
    /// Shows the list of environments.
    pub fn environments(&self, config: &Config, environments: &[Environment]) -> u8 {
        if self.style.json {
            document_to_stdout(&environments_json(config, environments));
        } else {
            to_stdout(&environments_text(config, environments));
        }
        0
    }

    /// Reports that a settings file was written, and what to do with it.
    pub fn settings_written(&self, written: &Written) -> u8 {
        if self.style.json {
            result_document(&written_json(written));
        } else {
            result_to_stdout(&written_text(written));
            self.line(&written_next(written));
        }
        0
    }

    /// Reports which environments are confirmed from now on.
    pub fn confirmed(&self, config: &Config, environments: &[&Environment]) -> u8 {
        if self.style.json {
            document_to_stdout(&confirmed_json(config, environments));
        } else {
            to_stdout(
                &[confirmed_text(config, environments), actions::confirmed_text(environments)].concat(),
            );
        }
        0
    }
}
