//! `actions test`: runs the golden cases, on temporary tables.

use quill_admin_application::Application as Compiled;
use quill_admin_application::examples::{self, Case, EXAMPLES, Examples};
use quill_admin_local::{Scratch, Verdict};
use quill_admin_operations::config::Application;
use quill_admin_operations::error::{CliError, advice};
use quill_admin_operations::events::Event;
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::process::Process;
use quill_admin_operations::session::local;

use super::context::Context;
use crate::args::ActionsTest;
use crate::report::{Tested, TestedCase};

pub(super) async fn test(
    context: &Context<'_>,
    application: &Application,
    compiled: &Compiled,
    args: &ActionsTest,
) -> Result<u8, CliError> {
    let examples = examples(application, compiled, context.process)?;
    let cases = chosen(&examples, args.case.as_deref())?;
    let tables = local::tables(application, context.process)?;
    let name = tables.schema.name.clone();
    let emit = context.emit();
    let unusable = |error| local::error(error, None);
    let work = async {
        emit(Event::Doing("starting PostgreSQL"));
        let scratch = Scratch::start(tables.schema, Some(tables.seed)).await.map_err(unusable)?;
        emit(Event::Doing("running cases"));
        let verdicts = scratch.test(&compiled.actions, &examples, &cases).await.map_err(unusable);
        scratch.stop().await;
        verdicts
    };
    let verdicts = context.guard().run(&PointOfNoReturn::new("nothing was changed"), Box::pin(work)).await?;
    let cases = cases.iter().zip(verdicts).map(|(case, verdict)| tested(case, verdict)).collect();
    Ok(context.reporter.actions_tested(&Tested { application, tables: &name, cases }))
}

fn tested(case: &Case, verdict: Verdict) -> TestedCase<'_> {
    let (left_out, problems) = match verdict {
        Verdict::Passed => (None, Vec::new()),
        Verdict::LeftOut(why) => (Some(why), Vec::new()),
        Verdict::Failed(problems) => (None, problems),
    };
    TestedCase { case, left_out, problems }
}

/// The cases of the application's folder. A test without any case has tested nothing, so it fails.
fn examples(application: &Application, compiled: &Compiled, process: &Process) -> Result<Examples, CliError> {
    let Some(folder) = application.folder() else {
        let here = process.cwd.join("application").join(EXAMPLES).is_dir();
        let folder = if here { "application" } else { "FOLDER" };
        return Err(CliError::usage(
            "this program has the application's actions built in, and not their cases; nothing was tested",
        )
        .hint(format!("name the folder that holds them: quill-admin actions test --application {folder}")));
    };
    let examples = examples::read(folder, &compiled.actions).map_err(|broken| {
        let mut error = CliError::usage("");
        error.messages = broken
            .iter()
            .flat_map(|one| one.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        error
    })?;
    if examples.cases.is_empty() {
        let folder = folder.join(EXAMPLES);
        let what = if folder.is_dir() {
            format!("there are no cases in {}; nothing was tested", folder.display())
        } else {
            format!("there is no folder {}; nothing was tested", folder.display())
        };
        return Err(CliError::usage(what)
            .hint("cases are files that end with .yaml; how to write one: docs/writing-actions.md"));
    }
    Ok(examples)
}

/// All cases; with `text`, those of the action of this name, and those with this text in their own name.
fn chosen<'a>(examples: &'a Examples, text: Option<&str>) -> Result<Vec<&'a Case>, CliError> {
    let Some(text) = text else { return Ok(examples.cases.iter().collect()) };
    let is_meant = |case: &&Case| case.action == text || case.name.contains(text);
    let cases: Vec<&Case> = examples.cases.iter().filter(is_meant).collect();
    if cases.is_empty() {
        return Err(CliError::usage(format!(
            "no case runs an action {text}, and none has \"{text}\" in its name; nothing was tested"
        ))
        .hint(advice("list all cases by running them", &hints::of_actions("actions test"))));
    }
    Ok(cases)
}
