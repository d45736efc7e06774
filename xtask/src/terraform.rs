//! Checks the Terraform files with terraform itself: they are formatted and valid, and their own tests pass.
//!
//! If [`CHECK`] names a stand-in for the provider, terraform needs no network. Otherwise it downloads the
//! real one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, ensure};
use quill_admin_testkit::skip;

use crate::{run, takeover};

/// The need that [`Verdict::Missing`] reports. `.ci/run` could not install it: it may be skipped in CI, where
/// the workflow has a job of its own for it.
pub(crate) const NEED: &str = "terraform";

/// The variable that names the program which checks a module offline, as `check.sh FOLDER --google MAJOR`. It
/// ends with 0 for a module that is right and with 2 for one that it cannot judge.
const CHECK: &str = "QUILL_ADMIN_TERRAFORM_CHECK";

const MODULES: [&str; 2] = ["infra/modules/cloud-run-job", "infra"];
/// Versions of the provider that the stand-in knows; the workflow runs the real ones.
const MAJORS: [&str; 2] = ["5", "6"];

/// The outcome of the checks.
enum Verdict {
    /// The number of modules and versions that were judged, and whether all are right.
    Judged { count: u32, right: bool },
    /// Nothing could be judged, for this reason.
    Missing(String),
}

/// Runs the checks, and tells their result as a test program does. What is not required may be missing.
pub(crate) fn layer() -> anyhow::Result<ExitCode> {
    let (right, passed) = match run()? {
        Verdict::Judged { count, right } => (right, if right { count } else { 0 }),
        Verdict::Missing(reason) if required() => {
            println!("terraform is required here: {reason}");
            (false, 0)
        }
        Verdict::Missing(reason) => {
            // By itself, outside of a run of the tests, it has checked nothing.
            let Some(skips) = std::env::var_os(skip::REPORT) else {
                println!("nothing was checked: {reason}");
                return Ok(ExitCode::FAILURE);
            };
            skip::note("infra", NEED, &reason, Path::new(&skips))?;
            // It counts as passed, and is subtracted again, as the harness does with a test.
            (true, 1)
        }
    };
    let (verdict, code) = if right { ("ok", ExitCode::SUCCESS) } else { ("FAILED", ExitCode::FAILURE) };
    println!("test result: {verdict}. {passed} passed; {} failed", u32::from(!right));
    Ok(code)
}

/// Whether it is named among what may not be missing. CI requires all, and cannot install it.
fn required() -> bool {
    std::env::var(skip::REQUIRE).is_ok_and(|needs| needs.split(',').any(|need| need == NEED))
}

fn run() -> anyhow::Result<Verdict> {
    if Command::new("terraform").arg("version").output().is_err() {
        return Ok(Verdict::Missing("terraform is not installed".to_owned()));
    }
    match offline_check()? {
        Some(check) => offline(&check),
        None => online(),
    }
}

fn offline_check() -> anyhow::Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os(CHECK).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let named = run::root().join(named);
    ensure!(named.is_file(), "{CHECK}: there is no file {}", named.display());
    Ok(Some(named))
}

fn offline(check: &Path) -> anyhow::Result<Verdict> {
    let mut right = true;
    let mut count = 0;
    for module in MODULES {
        for major in MAJORS {
            println!("{module}, google {major}");
            match status(check, run::root(), [module, "--google", major])?.code() {
                Some(0) => {}
                // The program itself reports what it lacks.
                Some(2) => return Ok(Verdict::Missing(format!("{} could not judge", check.display()))),
                _ => right = false,
            }
            count += 1;
        }
    }
    if right && takeover::run()? {
        count += 1;
    }
    Ok(Verdict::Judged { count, right })
}

/// Runs the checks in a copy, because terraform writes downloaded files beside the sources.
fn online() -> anyhow::Result<Verdict> {
    let copy = tempfile::tempdir().context("failed to make a temporary folder")?;
    let from = ["infra", "environments.yaml"].map(|name| run::root().join(name));
    let copied = status(
        "cp",
        run::root(),
        [OsStr::new("-R"), from[0].as_ref(), from[1].as_ref(), copy.path().as_ref()],
    )?;
    ensure!(copied.success(), "failed to copy infra");
    let mut right =
        status("terraform", copy.path(), ["fmt", "-check", "-recursive", "-diff", "infra"])?.success();
    let mut count = 0;
    for module in MODULES {
        println!("{module}");
        let folder = copy.path().join(module);
        if !status("terraform", &folder, ["init", "-backend=false", "-input=false"])?.success() {
            // A mistake that terraform finds without the provider is a mistake all the same.
            if !right {
                break;
            }
            return Ok(Verdict::Missing("terraform could not fetch the provider".to_owned()));
        }
        for step in ["validate", "test"] {
            right &= status("terraform", &folder, [step])?.success();
        }
        count += 1;
    }
    Ok(Verdict::Judged { count, right })
}

fn status<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    folder: &Path,
    args: impl IntoIterator<Item = A>,
) -> anyhow::Result<ExitStatus> {
    let program = program.as_ref();
    Command::new(program)
        .args(args)
        .current_dir(folder)
        .status()
        .with_context(|| format!("failed to start {}", program.display()))
}
