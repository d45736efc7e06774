//! No step of the application's repository builds the admin image where it wants the backend's.

use std::collections::BTreeSet;

use crate::doctor::check::{Check, Look};
use crate::doctor::facts::Machine;
use crate::doctor::finding::{Finding, Seen, Undecided};
use crate::doctor::repository::{self, Careless, Dockerfile, Gives, Scan};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "repository",
    title: "steps that build an image without naming its stage",
    needs: &[],
    look: Look::Repository(|machine| Box::pin(look(machine))),
};

/// The backend's stage, where no environments file names it.
const STAGE: &str = "prod";

async fn look(machine: &Machine) -> Result<Seen, Undecided> {
    let Some(folder) = machine.repository.clone() else {
        return Err(Undecided::new("no repository was named").advice("name its folder with: --repo FOLDER"));
    };
    let stages = stages(machine);
    let stage = stages.first().map_or(STAGE, String::as_str).to_owned();
    let shown = folder.display().to_string();
    let scan = tokio::task::spawn_blocking(move || {
        repository::scan(&folder, &stages.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let scan =
        scan.await.map_err(|error| Undecided::new(format!("looking through {shown} failed: {error}")))?;
    let scan = scan.map_err(|error| {
        Undecided::new(format!("failed to read {shown}: {error}"))
            .advice("name its folder with: --repo FOLDER")
    })?;
    let mut findings = Vec::from_iter(careless(&scan, Gives::TheAdminImage, &stage));
    findings.extend(careless(&scan, Gives::AnotherStage, &stage));
    let unread: Vec<String> = scan.unread.iter().map(|(file, why)| format!("{file}: {why}")).collect();
    match (unread.is_empty(), findings.is_empty()) {
        (true, _) => {}
        (false, true) => {
            let count = scan.unread.len();
            return Err(Undecided::new(format!("{count} files could not be read: {}", unread.join("; "))));
        }
        (false, false) => findings.push(
            Finding::warning("there are files that could not be read", "they may hold more such steps")
                .evidence(unread),
        ),
    }
    Ok(Seen::found(note(&scan), findings))
}

fn stages(machine: &Machine) -> BTreeSet<String> {
    let mut stages: BTreeSet<String> = BTreeSet::new();
    if let Ok(config) = &machine.config {
        let environments = config.names().filter_map(|name| config.environment(name).ok());
        stages.extend(environments.filter_map(|environment| Some(environment.backend?.target)));
    }
    if stages.is_empty() {
        stages.insert(STAGE.to_owned());
    }
    stages
}

/// What is wrong with the steps that get this, and not the backend's stage.
fn careless(scan: &Scan, gives: Gives, stage: &str) -> Option<Finding> {
    let steps: Vec<&Careless> = scan.careless.iter().filter(|careless| careless.gives == gives).collect();
    if steps.is_empty() {
        return None;
    }
    let mut evidence = Vec::new();
    for file in scan.dockerfiles.iter().filter(|file| file.gives == gives) {
        evidence.extend(last_stage(file));
    }
    for Careless { file, line, what, dockerfile, .. } in &steps {
        let which = dockerfile.as_deref().unwrap_or("a Dockerfile that is known only when it runs");
        evidence.push(format!("{file}:{line}: {what}, of {which}"));
    }
    let steps = match steps.len() {
        1 => "1 step builds".to_owned(),
        count => format!("{count} steps build"),
    };
    let finding = match gives {
        Gives::TheAdminImage => Finding::problem(
            format!("{steps} without naming a stage, and so the admin image"),
            "Docker builds the last stage of a Dockerfile then, and here that is the admin image: deployed as \
             the backend, it does not start",
        ),
        Gives::What | Gives::AnotherStage => Finding::warning(
            format!("{steps} without naming a stage, and so not the backend"),
            "Docker builds the last stage of a Dockerfile then, and here that is not the backend's",
        ),
    };
    Some(
        finding
            .evidence(evidence)
            .advice(format!(
                "name the stage in each: \"target: {stage}\" in a workflow or Compose file, \"--target {stage}\" \
                 for docker build"
            ))
            .advice(format!("or move the stage \"{stage}\" to the end of the Dockerfile")),
    )
}

fn last_stage(file: &Dockerfile) -> Option<String> {
    let stage = file.stages.last()?;
    Some(format!("{}:{}: its last stage is {}", file.path, stage.line, stage.called()))
}

fn note(scan: &Scan) -> String {
    let count = |count: usize, one: &str, several: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    };
    format!(
        "{} and {} that build an image",
        count(scan.dockerfiles.len(), "Dockerfile", "Dockerfiles"),
        count(scan.builds, "step", "steps")
    )
}
