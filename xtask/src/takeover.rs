//! Checks that the application's job can be taken over as docs/terraform.md describes it, with terraform and
//! a stand-in for Google's provider: no plan on the way destroys the job, and the application's own plan
//! would, if its state had not let go of the job.
//!
//! This applies plans, and so it never runs with the real provider: [`STAND_IN`] has to name the stand-in's
//! configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::run;

/// The variable that names a configuration of terraform's command line which installs a stand-in for Google's
/// provider. The stand-in invents its answers and connects to nothing.
const STAND_IN: &str = "QUILL_ADMIN_TERRAFORM_STAND_IN";

const FIXTURES: &str = "infra/tests/takeover";
const MODULE: &str = "infra/modules/cloud-run-job";
const THEIRS: &str = "module.cloud_run_admin_job.google_cloud_run_v2_job.job";
const OURS: &str = "module.quill_admin.google_cloud_run_v2_job.admin";

/// Runs all steps; `false` where no stand-in was named.
pub(crate) fn run() -> anyhow::Result<bool> {
    let Some(stand_in) = std::env::var_os(STAND_IN).filter(|path| !path.is_empty()) else {
        println!("taking a job over was not judged: {STAND_IN} names no stand-in for the provider");
        return Ok(false);
    };
    println!("taking the application's job over");
    let copy = tempfile::tempdir().context("failed to make a temporary folder")?;
    let root = Root { folder: copy.path().join("application"), stand_in: PathBuf::from(stand_in) };
    let fixture = |name: &str| run::root().join(FIXTURES).join(name);
    copy_folder(&fixture("theirs"), &root.folder)?;
    root.terraform(&["init"])?;
    root.terraform(&["apply", "-auto-approve"])?;
    let state = root.state()?;

    // These are their files without the module, and nothing in its place: the recipe prevents this.
    let let_go = fs::read_to_string(fixture("let-go/main.tf")).context("failed to read a fixture")?;
    let (forgotten, _) = let_go.split_once("removed {").context("there is no block that lets go")?;
    fs::write(root.folder.join("main.tf"), forgotten).context("failed to write a file")?;
    let planned = root.plan()?;
    ensure!(planned == [action(THEIRS, "delete")], "without the block it is not destroyed: {planned:?}");

    fs::write(root.folder.join("main.tf"), &let_go).context("failed to write a file")?;
    let planned = root.plan()?;
    ensure!(planned == [action(THEIRS, "forget")], "their state does not let go: {planned:?}");
    root.terraform(&["apply", "-auto-approve"])?;
    let left = root.state()?;
    ensure!(left["resources"].as_array().is_some_and(Vec::is_empty), "their state still has it: {left}");

    // `terraform import` puts Google Cloud's resource into our state: here, the one that their state had.
    let ours = Root { folder: copy.path().join(FIXTURES).join("ours"), ..root };
    copy_folder(&fixture("ours"), &ours.folder)?;
    copy_folder(&run::root().join(MODULE), &copy.path().join(MODULE))?;
    fs::write(ours.folder.join("terraform.tfstate"), imported(state)?.to_string())
        .context("failed to write a file")?;
    ours.terraform(&["init"])?;
    let planned = ours.plan()?;
    ensure!(planned.contains(&action(OURS, "update")), "it is not taken over in place: {planned:?}");
    ensure!(planned.iter().all(|(_, action)| action != "delete"), "something is destroyed: {planned:?}");
    Ok(true)
}

fn action(address: &str, action: &str) -> (String, String) {
    (address.to_owned(), action.to_owned())
}

/// The state of the application's Terraform, with the job at the address that it has in this module.
fn imported(mut state: Value) -> anyhow::Result<Value> {
    let (module, rest) = OURS.split_once(".google_").context("an address")?;
    let name = rest.rsplit('.').next().context("an address")?;
    let job = state["resources"].get_mut(0).context("their state has no job")?;
    job["module"] = module.into();
    job["name"] = name.into();
    Ok(state)
}

/// A root module of terraform, in a folder of its own, with its state beside it.
struct Root {
    folder: PathBuf,
    stand_in: PathBuf,
}

impl Root {
    /// Runs terraform without any credentials for the real provider; returns its output.
    fn terraform(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("terraform")
            .args(args)
            .current_dir(&self.folder)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", &self.folder)
            .env("TF_CLI_CONFIG_FILE", &self.stand_in)
            .envs([("TF_DISABLE_PLUGIN_TLS", "1"), ("TF_INPUT", "0"), ("TF_IN_AUTOMATION", "1")])
            .env("CHECKPOINT_DISABLE", "1")
            .output()
            .context("failed to start terraform")?;
        if !output.status.success() {
            bail!("terraform {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The actions of a plan: address and action.
    fn plan(&self) -> anyhow::Result<Vec<(String, String)>> {
        self.terraform(&["plan", "-out=plan"])?;
        let plan: Value = serde_json::from_str(&self.terraform(&["show", "-json", "plan"])?)?;
        let changes = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        let actions = changes.iter().flat_map(|change| {
            let address = change["address"].as_str().unwrap_or_default().to_owned();
            let all = change["change"]["actions"].as_array().cloned().unwrap_or_default();
            all.into_iter()
                .map(move |action| (address.clone(), action.as_str().unwrap_or_default().to_owned()))
        });
        Ok(actions.collect())
    }

    fn state(&self) -> anyhow::Result<Value> {
        let text = fs::read_to_string(self.folder.join("terraform.tfstate")).context("there is no state")?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// Copies a folder of small files.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    let failed = || format!("failed to copy {}", from.display());
    fs::create_dir_all(to).with_context(failed)?;
    for entry in fs::read_dir(from).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().with_context(failed)?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).with_context(failed)?;
        }
    }
    Ok(())
}
