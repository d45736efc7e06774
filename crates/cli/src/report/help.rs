//! Help: the texts of commands, topics, and the version.

use quill_admin_contract::{CONTRACT_OLDEST, CONTRACT_VERSION};
use serde_json::json;

use super::output::{document_to_stdout, to_stdout};
use super::reporter::Reporter;
use super::{page, paint};
use crate::{args, wrap};

impl Reporter {
    /// Shows the long help of a command.
    pub fn help(&self, command: &mut clap::Command) -> u8 {
        let text = command.render_help();
        if self.style.json {
            document_to_stdout(&json!({"exit_code": 0, "text": text.to_string()}));
        } else {
            to_stdout(&paint::from_ansi(&text.ansi().to_string()));
        }
        0
    }

    /// Shows a topic; its page is in Markdown.
    pub fn topic(&self, name: &str, markdown: &str) -> u8 {
        if self.style.json {
            document_to_stdout(&json!({"exit_code": 0, "topic": name, "text": markdown}));
        } else {
            to_stdout(&page::text(markdown, wrap::columns()));
        }
        0
    }

    /// Shows the version.
    pub fn version(&self) -> u8 {
        if self.style.json {
            let carried = quill_admin_operations::carried::executor().map(|executor| executor.sha256);
            document_to_stdout(&json!({
                "exit_code": 0,
                "version": env!("CARGO_PKG_VERSION"),
                "commit": option_env!("QUILL_ADMIN_REVISION"),
                "contract": {"oldest": CONTRACT_OLDEST, "newest": CONTRACT_VERSION},
                "carried_executor": carried,
            }));
        } else {
            to_stdout(&format!("quill-admin {}\n", args::version()));
        }
        0
    }
}
