//! The check `machine-docker`: there is a Docker engine to build with, and enough disk space for it.

use std::path::Path;

use quill_admin_files::system::unset_variable;
use quill_admin_image::{Builder, Engine, PLATFORM};

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Machine;
use crate::undecided::{Undecided, or_note};

pub(crate) const CHECK: Check = Check {
    id: "machine-docker",
    title: "the Docker engine that builds images",
    needs: &[],
    scope: Scope::Machine(|machine| Box::pin(inspect(machine))),
};

/// The space that a first build takes, in bytes: the builder's image (956 MB as measured, Rust's own is
/// larger), and the results of compiling.
const ROOM: u64 = 5_000_000_000;

const WHY: &str = "tasks run without it; \"build\", and \"restore-backend --from-source\", do not";

async fn inspect(machine: &Machine) -> Result<Report, Undecided> {
    let engine = match machine.engine().await {
        Ok(engine) => engine,
        // A person who only runs tasks does not need an engine.
        Err(undecided) => {
            let mut finding = Finding::warning(undecided.cause, WHY);
            finding.advice = undecided.advice;
            return Ok(finding.into());
        }
    };
    let builder = match engine.builder() {
        Builder::BuildKit => "BuildKit",
        Builder::Classic => "the classic builder",
    };
    let mut note = format!("Docker Engine {}, {builder}, {}", engine.version(), engine.platform());
    let (mut findings, mut undecided) = (Vec::new(), Vec::new());
    let classic = engine.builder() == Builder::Classic;
    if !engine.platform().starts_with("linux/") {
        findings.push(
            Finding::warning(
                format!("the engine is for {}, and cannot make {PLATFORM}", engine.platform()),
                "Cloud Run runs nothing else",
            )
            .advice("switch Docker Desktop to Linux containers"),
        );
    } else if classic && engine.platform() != PLATFORM {
        findings.push(
            Finding::warning(
                format!("the classic builder of an engine for {} cannot make {PLATFORM}", engine.platform()),
                "Cloud Run runs nothing else",
            )
            .advice(format!(
                "use BuildKit: {}, or take a newer Docker Engine",
                unset_variable("DOCKER_BUILDKIT")
            )),
        );
    }
    if let Some((folder, free)) = or_note(room(engine).await, &mut undecided) {
        note = format!("{note}, {} free", indicatif::DecimalBytes(free));
        if free < ROOM {
            findings.push(
                Finding::warning(
                    format!("{} are free at {folder}", indicatif::DecimalBytes(free)),
                    format!("a first build takes about {}", indicatif::DecimalBytes(ROOM)),
                )
                .advice("make room with: docker system prune"),
            );
        }
    }
    Ok(Report::found(note, findings).and_undecided(undecided))
}

/// The number of bytes that are free where the engine keeps images, as far as this machine can see that.
async fn room(engine: &Engine) -> Result<Option<(String, u64)>, Undecided> {
    let Some(folder) = engine.folder().await? else { return Ok(None) };
    Ok(free(&folder).map(|free| (folder.display().to_string(), free)))
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(windows)]
fn free(_: &Path) -> Option<u64> {
    None
}
