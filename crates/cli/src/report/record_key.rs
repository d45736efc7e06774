//! The report about a new record key: where it is, and what has to be done with its public half.

use std::fmt::Write as _;

use quill_admin_cloud::ResourceId;
use quill_admin_operations::config::Environment;
use quill_admin_operations::hints;
use quill_admin_operations::record_key::NewKey;
use serde_json::json;

use super::field::field;
use super::lines;
use super::output::{result_document, result_to_stdout};
use super::paint::style;
use super::reporter::Reporter;
use super::symbols;

/// The public keys of the environment with the new one: the older ones verify what was signed with them.
fn keys(environment: &Environment, key: &NewKey) -> Vec<String> {
    let mut keys: Vec<String> = environment.record_keys.iter().map(ToString::to_string).collect();
    keys.push(key.public.to_string());
    keys
}

fn text(environment: &Environment, key: &NewKey) -> String {
    let mut text = String::new();
    let project = &environment.job.project;
    let what =
        format!("a new record key is version {} of the secret {} in {project}", key.version, key.secret);
    let _ = writeln!(text, "{} {what}", style(symbols::DONE).green().bold());
    field(&mut text, "public key", &key.public.to_string());
    let _ = writeln!(text, "\n  in environments.yaml, under {}:", environment.name);
    let _ = writeln!(text, "    records:\n      public_keys:");
    for key in keys(environment, key) {
        let _ = writeln!(text, "        - {key}");
    }
    text.push('\n');
    lines::hint_line(
        &mut text,
        "put that into environments.yaml, and give it to everybody who reads the history",
    );
    let build = hints::command(&environment.name, "build", &[]);
    let next = "if the job does not have the key yet, give it to it with";
    lines::hint_line(&mut text, &hints::advice(next, &build));
    text
}

impl Reporter {
    /// Shows what is about to be done, before anybody agrees to it.
    pub fn record_key_plan(&self, environment: &Environment, secret: &ResourceId, asked: bool) {
        self.stop();
        let mut text = format!("{}\n", style(format!("a new record key for {}", environment.name)).bold());
        field(&mut text, "project", environment.job.project.as_str());
        field(&mut text, "secret", &format!("{secret}: a new version, which signs from then on"));
        let kept = environment.record_keys.len();
        field(
            &mut text,
            "public keys",
            &format!("{kept} in environments.yaml, to be kept; the new one is printed"),
        );
        self.plan(&text, asked);
    }

    /// Shows the public half of a key that was made; the private half is in its secret alone.
    pub fn record_key(&self, environment: &Environment, key: &NewKey) -> u8 {
        self.stop();
        if self.style.json {
            result_document(&json!({
                "exit_code": 0,
                "environment": environment.name,
                "project": environment.job.project,
                "secret": key.secret,
                "version": key.version,
                "public_key": key.public.to_string(),
                "public_keys": keys(environment, key),
            }));
        } else {
            result_to_stdout(&text(environment, key));
        }
        0
    }
}
