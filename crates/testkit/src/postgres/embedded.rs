//! The embedded PostgreSQL of the product, for machines without a server.
//!
//! It serves one connection at a time and has neither TLS nor passwords nor limited accounts: enough for a
//! single executor on an ordinary database, and for nothing else.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde::Deserialize;

use crate::{bin, home::Home};

/// The output of `quill-admin local serve --json` when everything is running.
#[derive(Deserialize)]
struct Serving {
    database_url: String,
}

/// A running local environment, used for its database. It ends when this is dropped, or when this process
/// ends, since its standard input does.
pub(super) struct Embedded {
    pub(super) url: String,
    process: Child,
    _home: Home,
}

impl Embedded {
    pub(super) fn start() -> Self {
        let home = Home::with_environments();
        let mut process = Command::new(bin::quill_admin())
            .args(["local", "serve", "--json", "--quiet"])
            .env_clear()
            .env("HOME", home.path())
            .env("XDG_CACHE_HOME", bin::cache_dir())
            .current_dir(home.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start quill-admin local serve: {error}"));
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).expect("read what quill-admin local serve says");
        }
        let serving: Serving = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("quill-admin local serve said {line:?}: {error}"));
        Self { url: serving.database_url, process, _home: home }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
