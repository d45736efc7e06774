//! `cargo xtask docs`: the reference pages, made from what they describe.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use quill_admin_contract::reference;

use crate::run;

const COMMANDS: [&[&str]; 20] = [
    &[],
    &["create-superadmin"],
    &["update-permissions"],
    &["add-role"],
    &["remove-role"],
    &["show-user"],
    &["check"],
    &["attach"],
    &["cancel"],
    &["logs"],
    &["history"],
    &["build"],
    &["restore-backend"],
    &["envs"],
    &["login"],
    &["whoami"],
    &["local"],
    &["local", "status"],
    &["local", "reset"],
    &["local", "serve"],
];

/// Writes the pages, or with `check` fails when one is not what it would be.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let pages = [
        ("actions.md", reference::actions()),
        ("variables.md", reference::variables()),
        ("exit-codes.md", reference::exit_codes()),
        ("commands.md", commands()?),
    ];
    let mut stale = Vec::new();
    for (name, text) in pages {
        let path: PathBuf = run::root().join("docs/reference").join(name);
        if std::fs::read_to_string(&path).ok().as_deref() == Some(&text) {
            continue;
        }
        if check {
            stale.push(name);
            continue;
        }
        std::fs::create_dir_all(path.parent().context("a page is in a folder")?)?;
        std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    if !stale.is_empty() {
        bail!("stale in docs/reference: {}; write them with: cargo xtask docs", stale.join(", "));
    }
    Ok(())
}

fn commands() -> anyhow::Result<String> {
    let mut page = String::from("# Commands\n\nWhat `--help` says, command by command.\n");
    for command in COMMANDS {
        let mut process = Command::new(run::bin_dir()?.join("quill-admin"));
        let output = process.args(command).arg("--help").env("NO_COLOR", "1").output()?;
        ensure!(output.status.success(), "{process:?} failed: {}", output.status);
        let help = String::from_utf8(output.stdout).context("help is text")?;
        let name = ["quill-admin"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
        page = format!("{page}\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end());
    }
    Ok(page)
}
