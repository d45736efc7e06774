//! Reports about the embedded environment: its contents, its addresses, and its deletion.
//!
//! This file is part of programs with the embedded environment only (feature `local`).

use std::path::Path;

use quill_admin_local::Holder;
use quill_admin_operations::error::CliError;
use serde_json::{Value, json};

use super::field::field;
use super::output::{document_to_stdout, result_document, result_to_stdout, to_stdout};
use super::reporter::Reporter;
use super::stream::to_stderr;
use super::{document, lines, paint};

pub(super) fn local_status_text(
    status: &quill_admin_local::Status,
    contents: Option<quill_admin_local::Contents>,
) -> String {
    let mut text = String::new();
    field(&mut text, "state", &status.directory.display().to_string());
    if !status.exists && !status.in_use {
        field(&mut text, "", "nothing there yet; the first command with --env local makes it");
        return text;
    }
    field(&mut text, "size", &indicatif::DecimalBytes(status.bytes).to_string());
    let by = status.holder.as_ref().map(Holder::in_words).filter(|words| !words.is_empty());
    let in_use = match (status.in_use, by) {
        (false, _) => "no".to_owned(),
        (true, None) => "yes".to_owned(),
        (true, Some(by)) => format!("yes, by {by}"),
    };
    field(&mut text, "in use", &in_use);
    if !status.exists {
        field(&mut text, "", "it is being made");
    }
    if let Some(contents) = contents {
        field(&mut text, "users", &contents.users.to_string());
        field(&mut text, "executions", &contents.executions.to_string());
    }
    text
}

pub(super) fn local_status_json(
    status: &quill_admin_local::Status,
    contents: Option<quill_admin_local::Contents>,
) -> Value {
    json!({
        "exit_code": 0,
        "state": document::path(&status.directory),
        "exists": status.exists,
        "in_use": status.in_use,
        "in_use_by": status.holder.as_ref().map(|holder| json!({
            "process": holder.process,
            "command": holder.command,
            "serving": holder.is_serving(),
        })),
        "bytes": status.bytes,
        "contents": contents,
    })
}

impl Reporter {
    /// Shows the contents of the embedded environment. `refused` is the reason why it would not be started,
    /// if there is one.
    pub fn local_status(
        &self,
        status: &quill_admin_local::Status,
        contents: Option<quill_admin_local::Contents>,
        refused: Option<&CliError>,
    ) -> u8 {
        self.stop();
        if self.style.json {
            let mut document = local_status_json(status, contents);
            document["problem"] =
                json!(refused.map(|error| json!({"messages": error.messages, "hints": error.hints})));
            document_to_stdout(&document);
        } else {
            to_stdout(&local_status_text(status, contents));
            if let Some(refused) = refused {
                to_stderr(&lines::error(refused));
            }
        }
        0
    }

    /// Announces the deletion of the state, which begins now; `bytes` is its size, where that is known.
    pub fn local_resetting(&self, state: &Path, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => {
                let size = indicatif::DecimalBytes(bytes);
                self.line(&format!("deleting what is in {}, {size}\n", state.display()));
            }
            None => self.line(&format!("deleting what is in {}\n", state.display())),
        }
    }

    /// Says that the embedded environment's state was deleted.
    pub fn local_reset(&self, state: &Path, existed: bool) -> u8 {
        if self.style.json {
            result_document(&json!({"exit_code": 0, "state": document::path(state), "deleted": existed}));
        } else if existed {
            result_to_stdout(&format!("deleted {}\n", paint::clean(&state.display().to_string())));
        } else {
            to_stdout(&format!(
                "nothing to delete: no environment is kept in {}\n",
                paint::clean(&state.display().to_string())
            ));
        }
        0
    }

    /// Shows the addresses at which the embedded environment listens. With `--json` this is one line, written
    /// at once, so that a program that waits for it can read it.
    pub fn local_serving(&self, endpoint: &str, database_url: &str, control_token: &str) {
        self.stop();
        if self.style.json {
            let document = json!({
                "endpoint": endpoint,
                "database_url": database_url,
                "control_token": control_token,
            });
            to_stdout(&document::line(&document));
        } else {
            to_stdout(&format!(
                "emulator  {endpoint}\ndatabase  {database_url}\ncontrol   {control_token}\n"
            ));
            self.line("until Ctrl-C\n");
        }
    }
}
