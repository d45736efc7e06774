//! The check `repository`: no step of the application's repository builds another stage than it is meant to.
//!
//! The folder `repository/` reads the files; this check makes findings and advice from what it returns.

use std::collections::BTreeSet;

use quill_admin_operations::error::CliError;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Machine;
use crate::repository::{self, Dockerfile, Mention, Provides, Scan, Served, WrongStep};
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "repository",
    title: "steps that build an image without naming its stage",
    needs: &[],
    scope: Scope::Repository(|machine| Box::pin(inspect(machine))),
};

/// The Dockerfile, the stage and the image that are served, as this program assumes where nobody names them.
const DOCKERFILE: &str = "backend/Dockerfile";
const STAGE: &str = "prod";
const IMAGE: &str = "quill/backend";
/// The number of lines of other files that are shown: nobody reads more.
const SHOWN: usize = 20;

async fn inspect(machine: &Machine) -> Result<Report, Undecided> {
    let Some(folder) = machine.repository.clone() else {
        return Err(Undecided::new("no repository was named").advice("name its folder with: --repo FOLDER"));
    };
    let mut unknown = Vec::new();
    let (served, assumed) = served(machine, &mut unknown);
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
    let admin_image = [untargeted(&scan, Provides::AdminImage), as_backend(&scan)];
    let found = admin_image.into_iter().chain([untargeted(&scan, Provides::AnotherStage)]).flatten();
    let mut findings: Vec<Finding> = found.map(|finding| finding.evidence(&assumed)).collect();
    match (not_there(&scan, &served), &assumed) {
        (Some((what, stages)), None) => {
            let why = "what is built as the backend cannot be told from what is not";
            let advice =
                "correct backend.dockerfile and backend.target in the environments file, or the Dockerfile";
            let what = format!("{what}, which the environments file names as the backend's");
            findings.insert(0, Finding::problem(what, why).evidence(stages).advice(advice));
        }
        (Some((what, stages)), Some(assumed)) => {
            let not_known = "it is not known which stage is the backend's";
            let why = "what is built as the backend cannot be told from what is not";
            let advice = "name both in the environments file: backend.dockerfile and backend.target";
            let evidence = [assumed.clone(), what].into_iter().chain(stages);
            unknown.push(Finding::warning(not_known, why).evidence(evidence).advice(advice));
        }
        (None, _) => {}
    }
    if !scan.unread.is_empty() {
        let what = count(scan.unread.len(), "file could not be read", "files could not be read");
        let unread = scan.unread.iter().map(|(file, why)| format!("{file}: {why}"));
        unknown.push(Finding::warning(what, "more such steps may be there").evidence(unread));
    }
    unknown.extend(not_understood(&scan, &served));
    if findings.is_empty() && !unknown.is_empty() {
        let causes = unknown.iter().map(|one| format!("{}: {}", one.what, one.evidence.join("; ")));
        let undecided = Undecided::new(causes.collect::<Vec<_>>().join("; "));
        let advice = unknown.iter().flat_map(|one| one.advice.clone());
        return Err(advice.fold(undecided, Undecided::advice));
    }
    let note = [note(&scan)].into_iter().chain(assumed).collect::<Vec<_>>().join("; ");
    Ok(Report::found(note, findings.into_iter().chain(unknown).collect()))
}

/// The stages that the environments file names. If it names none, the stage that this program assumes, and a sentence
/// about that. What could not be read is added to `unknown`.
fn served(machine: &Machine, unknown: &mut Vec<Finding>) -> (Vec<Served>, Option<String>) {
    let mut served = BTreeSet::new();
    let mut unread = |what: &str, error: &CliError| {
        let finding = Finding::warning(what, "the stage that it names for the backend is not known");
        unknown.push(error.hints.iter().fold(finding.evidence([error.to_string()]), Finding::advice));
    };
    let why = match &machine.config {
        Err(error) => {
            let what = "the environments file could not be read";
            unread(what, error);
            what.to_owned()
        }
        // What is built in names a backend, too, and is no more than an assumption.
        Ok(config) if config.missing().is_some() => "there is no environments file".to_owned(),
        Ok(config) => {
            for name in config.names() {
                match config.environment(name) {
                    Ok(environment) => served.extend(environment.backend.map(|backend| {
                        let parts: Vec<&str> = backend.image.path().rsplit('/').take(2).collect();
                        Served {
                            dockerfile: backend.dockerfile.trim_start_matches("./").to_owned(),
                            stage: backend.target,
                            image: parts.into_iter().rev().collect::<Vec<_>>().join("/"),
                        }
                    })),
                    Err(error) => unread(&format!("the environment \"{name}\" could not be read"), &error),
                }
            }
            "no environment that could be read names its backend".to_owned()
        }
    };
    if !served.is_empty() {
        return (served.into_iter().collect(), None);
    }
    let [dockerfile, stage, image] = [DOCKERFILE, STAGE, IMAGE].map(str::to_owned);
    let assumed =
        format!("{why}, so this program assumes that the stage \"{stage}\" of {dockerfile} is the backend's");
    (vec![Served { dockerfile, stage, image }], Some(assumed))
}

/// A stage that is served and that no Dockerfile has, in words, with the stages that there are: a step that names it
/// fails, and a step that names none builds the last one. A Dockerfile that could not be read may have it.
fn not_there(scan: &Scan, served: &[Served]) -> Option<(String, Vec<String>)> {
    let missing = served.iter().find(|served| match named(scan, served) {
        Some(dockerfile) => dockerfile.stage(&served.stage).is_none(),
        None => {
            !scan.lacks_dockerfiles
                && scan.dockerfiles.iter().all(|dockerfile| dockerfile.stage(&served.stage).is_none())
        }
    })?;
    let Served { dockerfile, stage, .. } = missing;
    Some(match named(scan, missing) {
        Some(found) => (format!("{dockerfile} has no stage \"{stage}\""), stages(found)),
        None => (
            format!("there is no {dockerfile}, and no other Dockerfile has the stage \"{stage}\""),
            scan.dockerfiles.iter().flat_map(stages).collect(),
        ),
    })
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

/// The finding about the steps that name no stage and so build this one, and not the one that they are meant to
/// build.
fn untargeted(scan: &Scan, provides: Provides) -> Option<Finding> {
    let is_one = |step: &&WrongStep| step.target.is_none() && step.provides == provides;
    let steps: Vec<&WrongStep> = scan.wrong.iter().filter(is_one).collect();
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
    let named = |step: &&WrongStep| {
        let WrongStep { file, line, action, dockerfile, .. } = step;
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
        _ => Finding::warning(
            format!("{builds} without naming a stage, and so not the backend"),
            "Docker builds the last stage of a Dockerfile then, and here that is not the backend's",
        ),
    };
    let (finding, meant) = name_the_stage(finding.evidence(evidence), &steps);
    Some(match meant {
        Some(stage) => finding.advice(format!("or move the stage \"{stage}\" to the end of the Dockerfile")),
        None => finding,
    })
}

/// The finding about the steps that name the admin image's stage, and give its image the backend's name.
fn as_backend(scan: &Scan) -> Option<Finding> {
    let steps: Vec<&WrongStep> = scan.wrong.iter().filter(|step| step.target.is_some()).collect();
    if steps.is_empty() {
        return None;
    }
    let named = |step: &&WrongStep| {
        let WrongStep { file, line, action, dockerfile, target, .. } = step;
        let target = target.as_deref().unwrap_or_default();
        format!("{file}:{line}: {action} with \"target: {target}\", of {dockerfile}")
    };
    let finding = Finding::problem(
        format!(
            "{} the admin image under the backend's name",
            count(steps.len(), "step builds", "steps build")
        ),
        "deployed as the backend, it does not start",
    );
    Some(name_the_stage(finding.evidence(steps.iter().map(named)), &steps).0)
}

/// Adds the advice to name the stages that these steps are meant to build; returns the stage if it is the same in all.
fn name_the_stage<'a>(finding: Finding, steps: &[&'a WrongStep]) -> (Finding, Option<&'a str>) {
    let meant: BTreeSet<Option<&str>> = steps.iter().map(|step| step.meant.as_deref()).collect();
    let advice = |stage: Option<&str>| match stage {
        Some(stage) => format!("name the stage in the step: \"target: {stage}\""),
        None => "name the stage that is wanted in the step: \"target:\"".to_owned(),
    };
    let only = meant.first().copied().flatten().filter(|_| meant.len() == 1);
    (meant.iter().copied().map(advice).fold(finding, Finding::advice), only)
}

/// The finding about mentions of a build that a person has to look at.
fn not_understood(scan: &Scan, served: &[Served]) -> Option<Finding> {
    let count = count(scan.mentions.len(), "line mentions", "lines mention");
    let what = format!("{count} a build of an image and cannot be understood here");
    let at_risk = scan.dockerfiles.iter().filter(|dockerfile| dockerfile.provides != Provides::Wanted);
    let stage =
        at_risk.flat_map(|file| served.iter().filter(|served| file.stage(&served.stage).is_some())).next();
    let such_as = stage.map(|served| format!(", as in \"--target {}\"", served.stage)).unwrap_or_default();
    let advice = format!(
        "look yourself whether each names the stage that is wanted{such_as}; what builds the backend without one \
         builds the last stage of its Dockerfile"
    );
    let finding = Finding::warning(what, "whether they name the right stage is not worked out here");
    (!scan.mentions.is_empty()).then(|| finding.evidence(mentions(scan)).advice(advice))
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
