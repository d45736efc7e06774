//! The check `admin-image`: the registry has the admin image, and this program can work with it.
//!
//! Its fix, `build`, is also that of the checks `job` and `job-image`. It does not ask, so it refuses where
//! the command `build` would ask a person.
//!
//! To add a finding: `inspect`. To change the work of the fix: the operations in `admin_image/` of the crate
//! `operations`, which the command `build` uses, too.

use jiff::{SignedDuration, Timestamp};
use quill_admin_contract::ExitCode;
use quill_admin_contract::image::{LABEL_REVISION, LABEL_TITLE};
use quill_admin_image::{LATEST, PLATFORM};
use quill_admin_operations::admin_image::deploy;
use quill_admin_operations::admin_image::plan::{self, JobPlan, built_at};
use quill_admin_operations::admin_image::recognise::{by_labels, contracts};
use quill_admin_operations::admin_image::source::{self, Made};
use quill_admin_operations::config::Application;
use quill_admin_operations::config::confirmed;
use quill_admin_operations::error::CliError;
use quill_admin_operations::hints;
use quill_admin_operations::task::job_image::{self, Incompatible};

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::fix::{Fix, Plan, Planning, Site, line};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "admin-image",
    title: "the newest admin image in the registry",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

/// The age after which an image is called old.
const OLD: SignedDuration = SignedDuration::from_hours(180 * 24);

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if !inquiries.environment.has_surroundings() {
        return Ok(Report::nothing("this program itself is the container"));
    }
    let environment = &inquiries.environment;
    let build = hints::advice("build it with", &hints::command(&environment.name, "build", &[]));
    let name = environment.image.tagged(LATEST);
    let (repository, image) = tokio::join!(inquiries.repository(), inquiries.image(LATEST));
    // A person who may not read the repository may still read the images in it.
    if let Ok(false) = repository
        && let Some((location, project, repository)) = environment.artifact_repository()
    {
        return Ok(Finding::problem(
            format!("project {project} has no Artifact Registry repository \"{repository}\" in {location}"),
            "there is no place for the admin image, and so no image",
        )
        .advice(format!(
            "make it with: gcloud artifacts repositories create {repository} --repository-format=docker \
             --location={location} --project={project}"
        ))
        .into());
    }
    // The job may run an older image, so the checks of the job are not skipped.
    let image = image.map_err(Undecided::blocks_nothing)?;
    let wrong = |what: String, why: &str| {
        let finding = Finding::problem(what, why).advice(build.clone());
        finding.fix(Build).blocks_nothing()
    };
    let Some(image) = image else {
        return Ok(wrong(
            format!("the registry has no image {name}"),
            "it has not been built and pushed yet: there is nothing for the job to run",
        )
        .into());
    };
    let label = |key: &str| image.labels.get(key).map(String::as_str).unwrap_or_default();
    let mut findings = Vec::new();
    if by_labels(&image.labels).is_some() {
        if let Some(incompatible) = job_image::incompatible(contracts(&image.labels)) {
            let what = format!("{name} {}", incompatible.versions().unwrap_or_default());
            let why = "tasks are refused by a job that runs it";
            findings.push(match incompatible {
                Incompatible::Newer(_) => {
                    Finding::problem(what, why).advice("use a newer quill-admin").blocks_nothing()
                }
                _ => wrong(what, why),
            });
        }
    } else {
        findings.push(wrong(
            format!(
                "{name} is not the admin image of this program: its label says \"{}\"",
                label(LABEL_TITLE)
            ),
            "a job that runs it does not understand what this program asks",
        ));
    }
    if image.platform != PLATFORM {
        findings.push(wrong(
            format!("{name} is for {}", image.platform),
            "Cloud Run runs linux/amd64 only: the container does not start",
        ));
    }
    let mut note = image.digest.get(..19).unwrap_or(&image.digest).to_owned();
    if !label(LABEL_REVISION).is_empty() {
        let revision = label(LABEL_REVISION);
        note = format!("{note}, revision {}", revision.get(..12).unwrap_or(revision));
    }
    if let Some(built) = built_at(&image) {
        note = format!("{note}, built {}", built.strftime("%Y-%m-%d %H:%M UTC"));
        if Timestamp::now().duration_since(built) > OLD {
            findings.push(
                Finding::warning(
                    format!("{name} is more than 180 days old"),
                    "what has been put right in its sources since, and in what it is built from, is not in it",
                )
                .since(Some(built))
                .advice(build.clone()),
            );
        }
    }
    Ok(Report::found(note, findings))
}

/// The fix that builds the admin image, pushes it, and makes the job run exactly this image.
#[derive(Debug)]
pub(super) struct Build;

impl Fix for Build {
    fn id(&self) -> &'static str {
        "build"
    }

    fn summary(&self) -> &'static str {
        "build the admin image, push it, and let the job run it"
    }

    fn plan<'a>(&'a self, site: Site<'a>) -> Planning<'a> {
        Box::pin(plan_build(site))
    }
}

async fn plan_build(Site { inquiries, session }: Site<'_>) -> Result<Plan, CliError> {
    let process = &inquiries.machine.process;
    let builder_image = process.var("QUILL_ADMIN_BUILDER_IMAGE").map(str::to_owned);
    let options = source::Options { builder_image, ..source::Options::default() };
    let environment = &inquiries.environment;
    let source = source::Source::read(process, &Application::of(&environment.source), &options)?;
    // Unlike this fix, `build` lists the contents of such an image, and asks.
    if matches!(source.made, Made::Assembled(_)) && confirmed::lacking(environment, process).is_some() {
        return Err(CliError::new(
            ExitCode::NotConfirmed,
            format!(
                "{} was found, and nobody has confirmed on this machine, as it is now, where it has tasks go and which \
                 actions an image is made of",
                environment.source.path.display()
            ),
        )
        .hint(hints::advice("build asks about it", &hints::command(&environment.name, "build", &[]))));
    }
    let plan = plan::look(session, source, false).await?;
    // Only a person who runs `build` can agree to the loss of somebody else's work.
    if !plan.loses().is_empty() {
        let lost = plan.loses().join("; ");
        return Err(CliError::new(
            ExitCode::NotConfirmed,
            format!("the image would be replaced although something of it is lost: {lost}"),
        )
        .hint(hints::advice("build asks about it", &hints::command(&environment.name, "build", &[]))));
    }
    let what = if let Some(existing) = &plan.existing {
        format!("the registry has the image of these sources, {}", existing.digest)
    } else {
        let image = plan.image.tagged(&plan.source.revision.tag());
        match &plan.source.made {
            Made::Compiled(_) => {
                format!("build {image} of {} and push it", plan.source.revision.root.display())
            }
            Made::Assembled(made) => format!(
                "put {image} together of the carried executor and the actions of {}, and push it",
                made.whereabouts
            ),
        }
    };
    let changes = plan.job.as_ref().map(JobPlan::changes).unwrap_or_default();
    let lines = [what].into_iter().chain(plan.notes.clone()).chain(changes.iter().map(line)).collect();
    Ok(Plan::new(lines, move |Site { inquiries, session }, point| {
        Box::pin(async move {
            let compiles = plan.existing.is_none() && plan.source.needs_engine();
            let engine = if compiles { Some(inquiries.machine.engine().await?) } else { None };
            let built = deploy::carry_out(session, plan, engine, &options, point).await?;
            Ok(format!("{} runs {}", inquiries.environment.job.job, built.image))
        })
    }))
}
