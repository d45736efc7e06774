//! Reports about the admin image: the plan of a build, and its result.
//!
//! To add a line of the plan: `build_plan_text` for people, and `build_plan_json` for `--json`; the result
//! has the same pair.

use std::fmt::Write as _;
use std::time::Duration;

use quill_admin_cloud::Difference;
use quill_admin_contract::image::annotation;
use quill_admin_image::{BuildEvent, Builder, Engine, LATEST, LocalImage, PLATFORM};
use quill_admin_operations::admin_image::deploy::Built;
use quill_admin_operations::admin_image::plan::{JobPlan, Plan};
use quill_admin_operations::admin_image::source::Made;
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::CliError;
use quill_admin_operations::hints;
use serde_json::{Value, json};

use super::field::field;
use super::output::{document_to_stdout, result_document, result_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::symbols::{self, ARROW};
use super::{deployed_actions, document, lines};

/// The plan of a build, with what it depends on.
#[derive(Debug)]
pub struct BuildReport<'a> {
    /// The environment that it is for.
    pub environment: &'a Environment,
    /// The plan.
    pub plan: &'a Plan,
    /// The Docker engine, where something has to be built, or the reason why there is none.
    pub engine: Option<&'a Result<Engine, CliError>>,
}

pub(super) fn build_plan_text(report: &BuildReport<'_>) -> String {
    let mut text = String::new();
    let BuildReport { environment, plan, engine } = report;
    let source = &plan.source;
    let _ = writeln!(
        text,
        "build for {} ({}, {})",
        environment.name, environment.job.project, environment.job.region
    );
    lines::settings(&mut text, environment);
    let revision =
        format!("{} of {}", source.revision.tag(), source.revision.time.strftime("%Y-%m-%d %H:%M UTC"));
    match &source.made {
        Made::Compiled(compiled) => {
            let (files, bytes) = (compiled.context.files().len(), compiled.context.bytes());
            let bytes = indicatif::DecimalBytes(bytes);
            field(&mut text, "source", &format!("{revision}, {files} files, {bytes}"));
            match engine {
                Some(Ok(engine)) => {
                    let builder = match engine.builder() {
                        Builder::BuildKit => "BuildKit",
                        Builder::Classic => "the classic builder",
                    };
                    let builder = format!("{builder} of Docker Engine {}", engine.version());
                    field(&mut text, "builder", &builder);
                }
                Some(Err(error)) => field(&mut text, "builder", &format!("none: {error}")),
                None => {}
            }
            if engine.is_some() {
                field(&mut text, "from", &compiled.builder_image);
            }
        }
        Made::Assembled(assembled) => {
            field(&mut text, "source", &revision);
            let count = source.actions.as_ref().map_or(0, |actions| actions.names().count());
            field(&mut text, "actions of", &format!("{} ({count})", assembled.whereabouts));
            let carried = assembled.executor.get(..12).unwrap_or_default();
            let version = env!("CARGO_PKG_VERSION");
            field(
                &mut text,
                "executor",
                &format!("carried by this program: {version}, sha256:{carried}{}", symbols::MORE),
            );
            // An image of another commit that the registry has is named below.
            if plan.existing.is_none() {
                field(&mut text, "digest", assembled.image.digest());
            }
        }
    }
    field(&mut text, "platform", PLATFORM);
    field(&mut text, "image", &plan.image.to_string());
    if plan.job.is_some() {
        field(&mut text, "tags", &source.tags().join(", "));
        let registry = match &plan.existing {
            Some(existing) => format!("has the image of these sources, {}", existing.digest),
            None if !source.needs_engine() => {
                "has no image of these: it is put together and pushed".to_owned()
            }
            None => "has no image of these sources: it is built and pushed".to_owned(),
        };
        field(&mut text, "registry", &registry);
    }
    if let Some(job) = &plan.job {
        let changes = job.changes();
        let what = match job {
            JobPlan::Create(_) => "is created",
            JobPlan::Change { .. } if changes.is_empty() => "stays as it is",
            JobPlan::Change { .. } => "is changed",
        };
        field(&mut text, "job", &format!("{} {what}", environment.job.job));
        differences(&mut text, &changes);
    }
    if !plan.stray_tags.is_empty() {
        field(&mut text, "moved", &format!("{}: to the image that the job runs", plan.stray_tags.join(", ")));
    }
    if let Some(replaced) = &plan.replaced {
        text.push_str(&deployed_actions::replaced(replaced));
    }
    for note in &plan.notes {
        field(&mut text, "note", note);
    }
    text
}

fn differences(text: &mut String, changes: &[Difference]) {
    for Difference { setting, from, to } in changes {
        let to = if to.is_empty() { "nothing" } else { to };
        let setting = match setting.strip_prefix("annotation ") {
            // The annotation repeats the image; and actions are shown by their names.
            Some(annotation::IMAGE | annotation::ACTIONS) => continue,
            Some(name) => name.rsplit('/').next().unwrap_or(name),
            None => setting,
        };
        let line = match from {
            // Before the build its result has no name yet.
            _ if setting == "image" && to == "nothing" => "image: the one that is built".to_owned(),
            Some(from) => match (from.split_once('@'), to.split_once('@')) {
                (Some((old, digest)), Some((new, to))) if setting == "image" && old == new => {
                    format!("{setting}: {digest} {ARROW} {to}")
                }
                _ => format!("{setting}: {from} {ARROW} {to}"),
            },
            None => format!("{setting}: {to}"),
        };
        let _ = writeln!(text, "    {}", clean(&line));
    }
}

pub(super) fn built_text(environment: &Environment, built: &Built, elapsed: Duration) -> String {
    let mut text = String::new();
    let done = style(symbols::DONE).green();
    let took = lines::seconds(elapsed);
    let job = &environment.job.job;
    let nothing = !built.built && built.changes.is_empty();
    if nothing && !built.moved_tags.is_empty() {
        let moved = built.moved_tags.join(", ");
        let _ = writeln!(text, "{done} moved {moved} to the image that {job} runs ({took})");
    } else if nothing {
        let _ = writeln!(text, "{done} nothing to do: {job} runs the image of these sources ({took})");
    } else {
        let what = if built.built { "built, pushed and deployed" } else { "deployed" };
        let _ = writeln!(text, "{done} {what} to {job} ({took})");
    }
    field(&mut text, "image", &built.image);
    if built.built {
        field(
            &mut text,
            "uploaded",
            &format!(
                "{} of {}",
                indicatif::DecimalBytes(built.uploaded),
                indicatif::DecimalBytes(built.size)
            ),
        );
    }
    if built.created_job {
        field(&mut text, "job", "created");
    } else {
        differences(&mut text, &built.changes);
    }
    for note in &built.notes {
        field(&mut text, "note", note);
    }
    text
}

/// The hint to try a new image with the task `check`, which changes nothing.
pub(super) fn try_it(environment: &Environment, flags: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let check = hints::command(&environment.name, "check", flags);
    lines::hint_line(&mut text, &hints::advice("try it, without changing anything", &check));
    text
}

pub(super) fn built_locally_text(environment: &Environment, image: &LocalImage, elapsed: Duration) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} built for {} ({})",
        style(symbols::DONE).green(),
        environment.name,
        lines::seconds(elapsed)
    );
    field(&mut text, "image", &environment.image.tagged(LATEST));
    field(&mut text, "id", &image.id);
    field(&mut text, "size", &indicatif::DecimalBytes(image.size).to_string());
    text
}

/// The name of a step of a build, on one line.
pub(super) fn step(name: &str) -> String {
    lines::short(&name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The line of a step that was taken from the cache.
pub(super) fn cached(name: &str) -> String {
    format!("{} (cached)\n", step(name))
}

pub(super) fn build_plan_json(report: &BuildReport<'_>) -> Value {
    let BuildReport { environment, plan, engine } = report;
    let mut document = json!({
        "exit_code": 0,
        "dry_run": true,
        "environment": environment.name,
        "project": environment.job.project,
        "revision": plan.source.revision.label(),
        "source_digest": plan.source.digest,
        "platform": PLATFORM,
        "image": plan.image.to_string(),
        "tags": plan.source.tags(),
        "digest": plan.existing.as_ref().map(|existing| existing.digest.clone()),
        "stray_tags": plan.stray_tags,
        "actions": plan.replaced.as_ref().map(deployed_actions::replaced_json),
        "notes": plan.notes,
    });
    match &plan.source.made {
        Made::Compiled(compiled) => {
            document["context_bytes"] = compiled.context.bytes().into();
            document["builder_image"] = compiled.builder_image.clone().into();
        }
        Made::Assembled(assembled) => {
            document["carried"] = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "executor_sha256": assembled.executor,
                "actions": assembled.whereabouts,
                "image_digest": assembled.image.digest(),
            });
        }
    }
    match engine {
        Some(Ok(engine)) => {
            document["engine"] = json!({
                "version": engine.version(),
                "address": engine.address(),
                "builder": match engine.builder() {
                    Builder::BuildKit => "buildkit",
                    Builder::Classic => "classic",
                },
            });
        }
        Some(Err(error)) => document["engine"] = json!({"error": error.messages}),
        None => {}
    }
    if let Some(job) = &plan.job {
        document["job"] = json!({
            "name": environment.job.job,
            "created": matches!(job, JobPlan::Create(_)),
            "changes": document::differences(&job.changes()),
        });
    }
    document
}

pub(super) fn built_json(environment: &Environment, built: &Built, elapsed: Duration) -> Value {
    json!({
        "exit_code": 0,
        "environment": environment.name,
        "project": environment.job.project,
        "image": built.image,
        "built": built.built,
        "uploaded_bytes": built.uploaded,
        "image_bytes": built.size,
        "job": {
            "name": environment.job.job,
            "created": built.created_job,
            "changes": document::differences(&built.changes),
        },
        "moved_tags": built.moved_tags,
        "notes": built.notes,
        "elapsed_seconds": elapsed.as_secs_f64(),
    })
}

pub(super) fn built_locally_json(environment: &Environment, image: &LocalImage, elapsed: Duration) -> Value {
    json!({
        "exit_code": 0,
        "environment": environment.name,
        "image": environment.image.tagged(LATEST),
        "image_id": image.id,
        "image_bytes": image.size,
        "built": true,
        "elapsed_seconds": elapsed.as_secs_f64(),
    })
}

impl Reporter {
    /// Shows the plan of a build: on stdout in a dry run, where it is the result.
    pub fn build_plan(&self, report: &BuildReport<'_>, dry_run: bool, asked: bool) -> u8 {
        self.stop();
        if dry_run {
            if self.style.json {
                document_to_stdout(&build_plan_json(report));
            } else {
                to_stdout(&build_plan_text(report));
            }
        } else {
            self.plan(&build_plan_text(report), asked);
        }
        0
    }

    /// Shows the result of building and deploying.
    pub fn built(&self, environment: &Environment, built: &Built) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            result_document(&built_json(environment, built, elapsed));
        } else {
            result_to_stdout(&built_text(environment, built, elapsed));
        }
        if built.built || !built.changes.is_empty() {
            self.line(&try_it(environment, &[]));
        }
        0
    }

    /// Shows the image that was built for the embedded environment.
    pub fn built_locally(&self, environment: &Environment, image: &LocalImage) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            result_document(&built_locally_json(environment, image, elapsed));
        } else {
            result_to_stdout(&built_locally_text(environment, image, elapsed));
        }
        self.line(&try_it(environment, &[("--runner", "docker")]));
        0
    }

    pub(super) fn image(&self, event: BuildEvent) {
        match event {
            BuildEvent::Step { name, cached: true } if self.style.verbose => {
                self.line(&cached(&name));
            }
            BuildEvent::Step { cached: true, .. } => {}
            BuildEvent::Step { name, .. } => self.doing(&step(&name)),
            // Where there is no spinner to show it behind, a step's output would hide everything else.
            BuildEvent::Output(line) if self.style.verbose => self.line(&lines::output(&line)),
            BuildEvent::Output(line) => self.aside(&line),
            BuildEvent::Note(text) => self.line(&lines::trouble(&text)),
            BuildEvent::Pushed { done, total } => self.aside(&lines::of_bytes(done, total)),
        }
    }
}
