//! `restore-backend`: gives the backend service its own image back.

use std::sync::atomic::{AtomicBool, Ordering};

use quill_admin_contract::ExitCode;
use quill_admin_image::{Engine, Token};

use super::Context;
use crate::args;
use crate::config::Place;
use crate::error::CliError;
use crate::flow::restore::{self, Candidate};
use crate::prompt::Interrupt;
use crate::report::{RestoreReport, Restored};

pub(super) async fn run(mut context: Context<'_>, args: args::RestoreBackend) -> Result<u8, CliError> {
    context.need_environment();
    context.form.check()?;
    let environment = context.environment()?;
    if matches!(environment.place, Place::Embedded { .. }) {
        return Err(CliError::usage(format!("environment \"{}\" has no backend service", environment.name)));
    }
    let backend = restore::backend(&environment)?;
    if !args.dry_run {
        context.gate(&environment, args.confirm.as_deref())?;
    }
    let opening = context.open_environment(&environment)?;
    let reporter = context.reporter;
    let emit = |event| reporter.event(event);
    let world = opening.wait(&emit).await?;
    let token = match &world.sign_in {
        Some(sign_in) => Some(Token::new(sign_in.token().await?)),
        None => None,
    };
    let mut found = restore::look(&world.google, &environment, token.as_ref(), &emit).await?;
    let source = args.from_source.map(|folder| context.process.cwd.join(folder));
    if let Some(source) = &source {
        found.candidate = None;
        found.passed_over.clear();
        found.candidate = Some(Candidate {
            image: backend.image.tagged(&backend.tag),
            origin: format!("to be built from {}, stage {}", source.display(), backend.target),
        });
    } else if found.trouble.is_none() && !args.force {
        return Ok(reporter.restored(&environment, &Restored::Healthy(&found.service)));
    }
    let Some(candidate) = found.candidate.clone() else {
        let mut error = CliError::new(
            ExitCode::ResourceNotFound,
            format!("no revision of {} has an image to go back to", backend.service.service),
        );
        error.messages.extend(found.passed_over);
        return Err(error.hint(format!(
            "build it from the application's sources: quill-admin restore-backend --env {} --from-source FOLDER",
            environment.name
        )));
    };
    let report = RestoreReport { environment: &environment, backend, found: &found, candidate: &candidate };
    if args.dry_run {
        return Ok(reporter.restore_plan(&report, true));
    }
    reporter.restore_plan(&report, false);
    let engine = match &source {
        Some(_) => Some(Engine::connect(|name| context.process.var(name).map(str::to_owned)).await?),
        None => None,
    };
    context.confirm(&environment, args.confirm.as_deref())?;

    let mut interrupt = Interrupt::listen();
    context.questions.end();
    reporter.begin();
    let committed = AtomicBool::new(false);
    let work = async {
        let candidate = match (&source, &engine) {
            (Some(source), Some(engine)) => {
                let google = &world.google;
                restore::from_source(
                    google,
                    &environment,
                    source,
                    engine,
                    token.as_ref(),
                    args.no_cache,
                    &emit,
                )
                .await?
            }
            _ => candidate.clone(),
        };
        let commit = || committed.store(true, Ordering::SeqCst);
        let google = &world.google;
        let revision =
            restore::deploy(google, &environment, &found.service, &candidate.image, &emit, commit).await?;
        Ok::<_, CliError>((candidate, revision))
    };
    let (candidate, revision) = tokio::select! {
        done = work => done?,
        () = interrupt.wait() => {
            let told = if committed.load(Ordering::SeqCst) {
                "interrupted; the service was given the image, and Cloud Run goes on starting it"
            } else {
                "interrupted; the service is as it was, nothing was deployed"
            };
            return Err(CliError::new(ExitCode::Interrupted, told));
        }
    };
    Ok(reporter.restored(
        &environment,
        &Restored::Deployed { service: &found.service, candidate: &candidate, revision: &revision },
    ))
}
