//! `cargo xtask docs`: makes the reference pages from the code that they describe, and the guide's
//! transcripts with a part of the end-to-end tests.
//!
//! **To add a page of reference:** its line in [`run`], its line in docs/SUMMARY.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use quill_admin_contract::reference;
use quill_admin_testkit::bin;
use serde_json::Value;

use crate::run;

/// Writes the pages, or with `check` fails if one is out of date.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let list = checks()?;
    let pages = [
        ("reference/actions.md", quill_admin(&["reference", "actions"])?),
        ("reference/variables.md", reference::variables()),
        ("reference/exit-codes.md", reference::exit_codes()),
        ("reference/result-line.md", reference::result_line()),
        ("reference/commands.md", quill_admin(&["reference", "commands"])?),
        ("reference/options.md", quill_admin(&["reference", "options"])?),
        ("reference/environments.md", quill_admin(&["reference", "environments"])?),
        ("reference/permissions.md", quill_admin(&["reference", "permissions"])?),
        ("reference/checks.md", checks_page(&list)?),
        ("troubleshooting.md", troubleshooting(&list)?),
    ];
    let mut stale = Vec::new();
    for (name, text) in pages {
        let path: PathBuf = run::root().join("docs").join(name);
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
        bail!("stale in docs: {}; write them with: cargo xtask docs", stale.join(", "));
    }
    Ok(())
}

/// Makes the recordings of the guide and writes them, or with `check` compares them.
pub(crate) fn transcripts(check: bool) -> anyhow::Result<()> {
    let status = run::cargo_command()
        .args(["test", "--release", "--workspace", "--locked", "--test", "e2e", "--", "guide::"])
        .env("QUILL_ADMIN_DOCS", if check { "check" } else { "write" })
        .env(bin::BIN_DIR, run::bin_dir()?)
        .status()
        .context("failed to start cargo")?;
    ensure!(status.success(), "the guide's transcripts: {status}");
    Ok(())
}

/// The doctor's checks and its JSON document, in the program's own words.
fn checks() -> anyhow::Result<Value> {
    let mut process = Command::new(run::bin_dir()?.join("quill-admin"));
    let output = process.args(["doctor", "--list", "--json"]).output()?;
    ensure!(output.status.success(), "{process:?} failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("the list is JSON")
}

fn checks_page(list: &Value) -> anyhow::Result<String> {
    let rows = |key: &str| list[key].as_array().with_context(|| format!("the list has no {key}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut page = String::from(
        "# Checks\n\n\
         What `quill-admin doctor` looks at, in the order it tells the results in. A check that needs another is\n\
         skipped where that one finds nothing to look at. `repository` is looked at with `--repo`,\n\
         `database-check` with `--deep`, or when they are named with `--only`.\n\n\
         | check | of | what it looks at | needs |\n|---|---|---|---|\n",
    );
    for check in rows("checks")? {
        let id = text(&check["id"]);
        let needs: Vec<String> =
            check["needs"].as_array().into_iter().flatten().map(|need| format!("`{}`", text(need))).collect();
        writeln!(
            page,
            "| [`{id}`](../troubleshooting.md#{id}) | {} | {} | {} |",
            text(&check["scope"]),
            text(&check["title"]),
            needs.join(", ")
        )?;
    }
    page.push_str(
        "\nResults: healthy; warning, something worth knowing; problem, something does not work or is not safe;\n\
         undecided, with the cause; skipped. Exit codes: 0 where nothing is a problem or undecided, 30 with a problem,\n\
         31 where something is undecided and nothing a problem.\n\n\
         ## The document of `--json`\n\n| field | |\n|---|---|\n",
    );
    for field in rows("document")? {
        writeln!(page, "| `{}` | {} |", text(&field["field"]), text(&field["meaning"]))?;
    }
    Ok(page)
}

/// The output of the program.
fn quill_admin(args: &[&str]) -> anyhow::Result<String> {
    let mut process = Command::new(run::bin_dir()?.join("quill-admin"));
    let output = process.args(args).env("NO_COLOR", "1").output()?;
    ensure!(output.status.success(), "{process:?} failed: {}", output.status);
    String::from_utf8(output.stdout).context("it prints text")
}

/// The content of a section that nobody has written yet; a test does not let it stay.
const SECTION: &str = "**What you see.**\n\n**Why.**\n\n**The doctor**\n\n**By hand.**\n";

/// The guide's page with a section for every check, in the catalogue's order and under its title. The content
/// of sections is written by hand, and is kept.
fn troubleshooting(list: &Value) -> anyhow::Result<String> {
    let path = run::root().join("docs/troubleshooting.md");
    let page =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut parts = page.split("\n## ");
    let mut text = format!("{}\n", parts.next().unwrap_or_default().trim_end());
    let mut sections: BTreeMap<&str, &str> =
        parts.map(|part| part.split_once('\n').unwrap_or((part, ""))).collect();
    for check in list["checks"].as_array().context("the list has no checks")? {
        let (id, title) = (check["id"].as_str().unwrap_or_default(), &check["title"]);
        let body = sections.remove(id).unwrap_or(SECTION).trim();
        let written = match body.split_once('\n') {
            Some((old, rest)) if old.starts_with('*') && !old.starts_with("**") => rest.trim(),
            _ => body,
        };
        write!(text, "\n## {id}\n\n*{}*\n\n{written}\n", title.as_str().unwrap_or_default())?;
    }
    let orphans: Vec<&str> = sections.into_keys().collect();
    ensure!(orphans.is_empty(), "{} has sections of no check: {}", path.display(), orphans.join(", "));
    Ok(text)
}
