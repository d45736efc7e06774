//! The check `repository`: no step of the application's repository builds another stage than it is meant to.
//!
//! The folder `repository/` reads the files; this check makes findings and advice from what it returns.

use std::collections::BTreeSet;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Machine;
use crate::repository::{self, Dockerfile, Mention, Provides, Scan, Served, Untargeted};
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "repository",
    title: "steps that build an image without naming its stage",
    needs: &[],
    scope: Scope::Repository(|machine| Box::pin(inspect(machine))),
};

/// The Dockerfile and the stage that are served, where no environments file names them.
const DOCKERFILE: &str = "backend/Dockerfile";
const STAGE: &str = "prod";
/// The number of lines of other files that are shown: nobody reads more.
const SHOWN: usize = 20;

async fn inspect(machine: &Machine) -> Result<Report, Undecided> {
    let Some(folder) = machine.repository.clone() else {
        return Err(Undecided::new("no repository was named").advice("name its folder with: --repo FOLDER"));
    };
    let served = served(machine);
    let shown = folder.display().to_string();
    let scan = {
        let served = served.clone();
        tokio::task::spawn_blocking(move || repository::scan(&folder, &served)).await
    };
    let scan = scan
        .map_err(|error| Undecided::new(format!("looking through {shown} failed: {error}")))?
        .map_err(|error| {
            Undecided::new(format!("failed to read {shown}: {error}"))
                .advice("name its folder with: --repo FOLDER")
        })?;
    if scan.is_empty() {
        let cause =
            format!("{shown} has no Dockerfile, and no step that builds one: there is nothing to look at");
        return Err(Undecided::new(cause).advice("name the application's repository with: --repo FOLDER"));
    }
    let mut findings = Vec::from_iter(not_there(&scan, &served));
    findings.extend(untargeted(&scan, Provides::AdminImage));
    findings.extend(untargeted(&scan, Provides::AnotherStage));
    let unread: Vec<String> = scan.unread.iter().map(|(file, why)| format!("{file}: {why}")).collect();
    if findings.is_empty() {
        let mut causes = Vec::new();
        if !unread.is_empty() {
            causes.push(format!(
                "{}: {}",
                count(unread.len(), "file could not be read", "files could not be read"),
                unread.join("; ")
            ));
        }
        if !scan.mentions.is_empty() {
            causes.push(format!("{}: {}", not_understood(scan.mentions.len()), mentions(&scan).join("; ")));
        }
        if causes.is_empty() {
            return Ok(Report::healthy(note(&scan)));
        }
        return Err(look_yourself(&scan, &served, Undecided::new(causes.join("; "))));
    }
    if !unread.is_empty() {
        let what = "there are files that could not be read";
        findings.push(Finding::warning(what, "they may hold more such steps").evidence(unread));
    }
    if !scan.mentions.is_empty() {
        let why = "whether they name the right stage is not worked out here: look yourself";
        findings.push(Finding::warning(not_understood(scan.mentions.len()), why).evidence(mentions(&scan)));
    }
    Ok(Report::found(note(&scan), findings))
}

/// The stages that the environments file names.
fn served(machine: &Machine) -> Vec<Served> {
    let mut served = BTreeSet::new();
    if let Ok(config) = &machine.config {
        let environments = config.names().filter_map(|name| config.environment(name).ok());
        served.extend(environments.filter_map(|environment| {
            let backend = environment.backend?;
            let dockerfile = backend.dockerfile.trim_start_matches("./").to_owned();
            Some(Served { dockerfile, stage: backend.target })
        }));
    }
    if served.is_empty() {
        served.insert(Served { dockerfile: DOCKERFILE.to_owned(), stage: STAGE.to_owned() });
    }
    served.into_iter().collect()
}

/// The finding about a stage that is served and that no Dockerfile has: a step that names it fails, and a
/// step that names none builds the last one. A Dockerfile that could not be read may have it.
fn not_there(scan: &Scan, served: &[Served]) -> Option<Finding> {
    let missing = served.iter().find(|served| match named(scan, served) {
        Some(dockerfile) => !dockerfile.has(&served.stage),
        None => {
            !scan.lacks_dockerfiles
                && !scan.dockerfiles.iter().any(|dockerfile| dockerfile.has(&served.stage))
        }
    })?;
    let Served { dockerfile, stage } = missing;
    let (what, evidence): (String, Vec<String>) = match named(scan, missing) {
        Some(found) => (
            format!(
                "{dockerfile} has no stage \"{stage}\", which the environments file names as the backend's"
            ),
            stages(found),
        ),
        None => (
            format!("there is no {dockerfile}, and no other Dockerfile has the backend's stage \"{stage}\""),
            scan.dockerfiles.iter().flat_map(stages).collect(),
        ),
    };
    let why = "what is built as the backend cannot be told from what is not";
    let advice = "correct backend.dockerfile and backend.target in the environments file, or the Dockerfile";
    Some(Finding::problem(what, why).evidence(evidence).advice(advice))
}

fn named<'a>(scan: &'a Scan, served: &Served) -> Option<&'a Dockerfile> {
    scan.dockerfiles.iter().find(|dockerfile| dockerfile.path == served.dockerfile)
}

fn stages(dockerfile: &Dockerfile) -> Vec<String> {
    let line = |stage: &repository::Stage| {
        format!("{}:{}: the stage {}", dockerfile.path, stage.line, stage.called())
    };
    dockerfile.stages.iter().map(line).collect()
}

/// The finding about the steps that build this stage, and not the one that they are meant to build.
fn untargeted(scan: &Scan, provides: Provides) -> Option<Finding> {
    let steps: Vec<&Untargeted> = scan.untargeted.iter().filter(|step| step.provides == provides).collect();
    if steps.is_empty() {
        return None;
    }
    let mut evidence = Vec::new();
    for file in scan.dockerfiles.iter().filter(|file| file.provides == provides) {
        evidence.extend(
            file.last()
                .map(|stage| format!("{}:{}: its last stage is {}", file.path, stage.line, stage.called())),
        );
    }
    let named = |step: &&Untargeted| {
        let Untargeted { file, line, action, dockerfile, .. } = step;
        format!("{file}:{line}: {action} without \"target\", of {dockerfile}")
    };
    evidence.extend(steps.iter().map(named));
    let builds = count(steps.len(), "step builds", "steps build");
    let finding = match provides {
        Provides::AdminImage => Finding::problem(
            format!("{builds} without naming a stage, and so the admin image"),
            "Docker builds the last stage of a Dockerfile then, and here that is the admin image: deployed as \
             the backend, it does not start",
        ),
        Provides::Wanted | Provides::AnotherStage => Finding::warning(
            format!("{builds} without naming a stage, and so not the backend"),
            "Docker builds the last stage of a Dockerfile then, and here that is not the backend's",
        ),
    };
    let meant: BTreeSet<&str> = steps.iter().map(|step| step.meant.as_str()).collect();
    let mut finding = finding.evidence(evidence);
    for stage in &meant {
        finding = finding.advice(format!("name the stage in the step: \"target: {stage}\""));
    }
    let last = meant.first().filter(|_| meant.len() == 1);
    Some(last.into_iter().fold(finding, |finding, stage| {
        finding.advice(format!("or move the stage \"{stage}\" to the end of the Dockerfile"))
    }))
}

/// Adds the advice about mentions of a build, where nothing else is wrong.
fn look_yourself(scan: &Scan, served: &[Served], undecided: Undecided) -> Undecided {
    if scan.mentions.is_empty() {
        return undecided;
    }
    let at_risk = scan.dockerfiles.iter().find(|dockerfile| dockerfile.provides != Provides::Wanted);
    let stage = at_risk
        .and_then(|file| served.iter().find(|served| file.has(&served.stage)))
        .or(served.first())
        .map_or(STAGE, |served| &served.stage);
    undecided.advice(format!(
        "look yourself whether each names its stage, as in \"--target {stage}\"; what builds the backend without one \
         builds the last stage of its Dockerfile"
    ))
}

fn not_understood(mentions: usize) -> String {
    format!(
        "{} a build of an image and cannot be understood here",
        count(mentions, "line mentions", "lines mention")
    )
}

fn mentions(scan: &Scan) -> Vec<String> {
    let line = |Mention { file, line, text, .. }: &Mention| format!("{file}:{line}: {text}");
    let mut shown: Vec<String> = scan.mentions.iter().take(SHOWN).map(line).collect();
    if scan.mentions.len() > SHOWN {
        shown.push(format!("and {} more", scan.mentions.len() - SHOWN));
    }
    shown
}

fn count(count: usize, one: &str, several: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    }
}

/// The number of files of each kind that were examined.
fn note(scan: &Scan) -> String {
    format!(
        "read {} and {} with {} that build an image; searched {} for other builds",
        count(scan.dockerfiles.len(), "Dockerfile", "Dockerfiles"),
        count(scan.workflows, "workflow", "workflows"),
        count(scan.steps, "step", "steps"),
        count(scan.searched, "other file", "other files"),
    )
}
