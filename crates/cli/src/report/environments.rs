//! Reports about the environments of a file, and about those that were confirmed.

use std::fmt::Write as _;
use std::path::Path;

use quill_admin_operations::config::Environment;
use serde_json::{Value, json};

use super::output::{document_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::{actions, document, symbols};

pub(super) fn environments_text(path: &Path, environments: &[Environment]) -> String {
    let mut text = String::new();
    let width = environments.iter().map(|e| e.name.chars().count()).max().unwrap_or(0);
    for environment in environments {
        let place = environment.whereabouts();
        let protected = if environment.protected { " (protected)" } else { "" };
        let _ = writeln!(text, "{:width$}  {}{protected}", clean(&environment.name), clean(&place));
    }
    let _ = writeln!(text, "\nfrom {}", clean(&path.display().to_string()));
    text
}

pub(super) fn confirmed_text(path: &Path, environments: &[&Environment]) -> String {
    let mut text = String::new();
    if environments.is_empty() {
        text.push_str("nothing to confirm: what is there stays on this machine\n");
    }
    for environment in environments {
        let (project, job) = (&environment.job.project, &environment.job.job);
        let told = format!("tasks for {} go to project {project}, job {job}", environment.name);
        let _ = writeln!(text, "{} {}", style(symbols::DONE).green(), clean(&told));
    }
    let _ = writeln!(text, "\nas long as {} stays as it is", clean(&path.display().to_string()));
    text
}

pub(super) fn environments_json(path: &Path, environments: &[Environment]) -> Value {
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
                "emulated": environment.is_embedded(),
            })
        })
        .collect();
    json!({"exit_code": 0, "file": document::path(path), "environments": list})
}

pub(super) fn confirmed_json(path: &Path, environments: &[&Environment]) -> Value {
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
    json!({"exit_code": 0, "file": document::path(path), "confirmed": list})
}

impl Reporter {
    /// Shows the list of environments.
    pub fn environments(&self, path: &Path, environments: &[Environment]) -> u8 {
        if self.style.json {
            document_to_stdout(&environments_json(path, environments));
        } else {
            to_stdout(&environments_text(path, environments));
        }
        0
    }

    /// Reports which environments are confirmed from now on.
    pub fn confirmed(&self, path: &Path, environments: &[&Environment]) -> u8 {
        if self.style.json {
            document_to_stdout(&confirmed_json(path, environments));
        } else {
            to_stdout(&[confirmed_text(path, environments), actions::confirmed_text(environments)].concat());
        }
        0
    }
}
