//! `doctor`: runs checks, explains their findings, and offers fixes.
//!
//! The crate `doctor` has the checks and fixes; this file chooses the subjects, asks before each fix, carries
//! it out under the guard, and runs the environment's checks again.
//!
//! To add an option: `Doctor` in `args.rs`, and its use here. A check or a fix needs nothing here.

use std::sync::Arc;

use quill_admin_contract::ExitCode;
use quill_admin_doctor::attempt::Attempt;
use quill_admin_doctor::catalogue::{self, Wanted};
use quill_admin_doctor::check::{Check, Scope};
use quill_admin_doctor::explain::Explanation;
use quill_admin_doctor::fix::{Fix, Plan, Site};
use quill_admin_doctor::inquiries::{Inquiries, Machine};
use quill_admin_doctor::run::{self, Examined, Progress, Subject, Surroundings};
use quill_admin_operations::config::{Config, Environment};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Emit;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;

use super::context::Context;
use super::guard::close;
use crate::args;
use crate::report::Diagnosis;

pub(super) async fn run(mut context: Context<'_>, args: args::Doctor) -> Result<u8, CliError> {
    if let Some(id) = &args.explain {
        let check = catalogue::find(id)?;
        // Without a file, or with a name that it does not have, the page is shown as it is.
        let named = context.global.env.as_deref();
        let environment = named.and_then(|name| context.config().ok()?.environment(name).ok());
        return Ok(context.reporter.explained_check(check, environment.as_ref()));
    }
    let checks = catalogue::choose(&Wanted {
        only: &args.only,
        skip: &args.skip,
        deep: args.deep,
        repository: args.repo.is_some(),
        all: args.list,
    })?;
    if args.list {
        return Ok(context.reporter.checks(&checks));
    }
    if args.fix {
        // One environment is changed at a time, and it has to be named.
        // What is wrong with the file is a finding.
        if context.global.env.is_none() {
            context.form.need("--env");
        }
        if !args.yes && !args.dry_run {
            context.form.need("--yes");
        }
    }
    context.form.check()?;
    let environments = context.examined_environments(&args)?;
    if let (true, false, [environment]) = (args.fix, args.dry_run, &environments[..]) {
        context.gate(environment, args.confirm.as_deref())?;
    }
    let machine = Machine::new(
        context.process.clone(),
        context.config(),
        &environments,
        args.repo.as_ref().map(|folder| context.process.cwd.join(folder)),
        context.global.access_token_file.as_deref(),
        context.runner(),
    );
    let machine = Arc::new(machine.telling(context.emit()));
    context.listen({
        let machine = Arc::clone(&machine);
        move || machine.left()
    });
    let mut inquiries: Vec<Inquiries> =
        environments.into_iter().map(|environment| Inquiries::new(environment, &machine)).collect();
    let code = examine(&mut context, &args, (&machine, &mut inquiries), checks).await;
    for inquiries in inquiries {
        if let Some(session) = inquiries.into_session() {
            close(context.reporter, session).await;
        }
    }
    code
}

/// Runs the checks, offers the fixes, and reports.
async fn examine(
    context: &mut Context<'_>,
    args: &args::Doctor,
    (machine, inquiries): (&Machine, &mut [Inquiries]),
    mut checks: Vec<&'static Check>,
) -> Result<u8, CliError> {
    let reporter = context.reporter;
    let explanation = match (&args.after, &*inquiries) {
        (Some(execution), [inquiries]) => {
            let explanation = Explanation::read(inquiries, execution, context.emit()).await?;
            reporter.explained(&explanation);
            if args.only.is_empty() {
                checks.retain(|check| explanation.checks().contains(&check.id));
            }
            Some(explanation)
        }
        _ => None,
    };
    let mut examined = {
        // Without a usable file nothing but the name of the environment is known.
        let unknown = context.global.env.as_deref().filter(|_| inquiries.is_empty());
        let subjects = subjects(machine, inquiries, unknown, &checks);
        run::run(&subjects, |told| reporter.examined(told)).await
    };
    let attempts = match (&mut *inquiries, args.fix) {
        ([inquiries], true) => context.fix(args, inquiries, &mut examined).await?,
        _ => Vec::new(),
    };
    Ok(reporter.diagnosis(&Diagnosis {
        explanation: explanation.as_ref(),
        examined: &examined,
        attempts: &attempts,
        fix: args.fix,
    }))
}

/// The subjects: this machine, the environments, the repository, each with its checks.
fn subjects<'a>(
    machine: &'a Machine,
    inquiries: &'a [Inquiries],
    unknown: Option<&'a str>,
    checks: &[&'static Check],
) -> Vec<Subject<'a>> {
    let of = |wanted: fn(Scope) -> bool| {
        checks.iter().copied().filter(|check| wanted(check.scope)).collect::<Vec<_>>()
    };
    let environment = |scope| matches!(scope, Scope::Environment(_));
    let known = inquiries.iter().map(|inquiries| (inquiries.environment.name.as_str(), Some(inquiries)));
    let environments = known.chain(unknown.map(|name| (name, None))).map(|(name, inquiries)| Subject {
        machine,
        environment: Some(Surroundings { name, inquiries }),
        checks: of(environment),
    });
    let alone = |checks| Subject { machine, environment: None, checks };
    [alone(of(|scope| matches!(scope, Scope::Machine(_))))]
        .into_iter()
        .chain(environments)
        .chain([alone(of(|scope| matches!(scope, Scope::Repository(_))))])
        .collect()
}

const STAYS: &str = "what was put right before stays so";

/// The state after the fixes so far, in words.
fn before(some: bool) -> &'static str {
    if some { STAYS } else { "nothing was changed" }
}

impl Context<'_> {
    /// The environments that are checked.
    fn examined_environments(&mut self, args: &args::Doctor) -> Result<Vec<Environment>, CliError> {
        if let Some(execution) = &args.after {
            return Ok(vec![self.environment_of(execution)?]);
        }
        if args.fix {
            return Ok(vec![self.environment()?]);
        }
        match (self.config(), &self.global.env) {
            (Ok(config), Some(name)) => Ok(vec![config.environment(name)?]),
            (Ok(config), None) => Ok(all(&config)),
            // The check `machine-config` reports the reason.
            (Err(_), _) => Ok(Vec::new()),
        }
    }

    /// Offers the fixes for findings one after the other, and runs their checks again.
    async fn fix(
        &mut self,
        args: &args::Doctor,
        inquiries: &mut Inquiries,
        examined: &mut [Examined],
    ) -> Result<Vec<Attempt>, CliError> {
        let reporter = self.reporter;
        let emit = self.emit();
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut confirmed = false;
        while let Some((check, fix)) = next(examined, &attempts) {
            let mut one = Attempt::new(check, Arc::clone(&fix));
            match plan(&*fix, inquiries, &emit).await {
                Err(error) => one.failed(&error),
                Ok(plan) => {
                    one.plan.clone_from(&plan.lines);
                    reporter.planned_fix(&one);
                    let refused = fix.refused().filter(|_| !args.force);
                    if args.dry_run {
                        one.would_be_done(refused);
                    } else if let Some(why) = refused {
                        one.refused(why);
                    } else if !args.yes && !self.form.confirm("Do it?").map_err(told(&attempts))? {
                        one.declined();
                    } else {
                        if !confirmed {
                            self.confirm(&inquiries.environment, args.confirm.as_deref())
                                .map_err(told(&attempts))?;
                            confirmed = true;
                        }
                        let some = attempts.iter().any(Attempt::changed_something);
                        match self.carry_out(plan, inquiries, before(some)).await? {
                            Ok(done) => one.done(done),
                            Err(error) => one.failed(&error),
                        }
                    }
                }
            }
            reporter.attempted(&one);
            if one.changed_something() {
                *inquiries = inquiries.forgotten();
                repeat(reporter, inquiries, examined, &one).await;
            }
            attempts.push(one);
        }
        Ok(attempts)
    }

    /// Carries out a plan, until it is done or broken off.
    async fn carry_out(
        &mut self,
        plan: Plan,
        inquiries: &Inquiries,
        untouched: &str,
    ) -> Result<Result<String, CliError>, CliError> {
        let emit = self.emit();
        let mut guard = self.guard();
        let point = PointOfNoReturn::new(untouched);
        let work = async {
            let session = inquiries.session().await?.with_emit(emit);
            plan.carry_out(Site { inquiries, session: &session }, &point).await
        };
        let done = match guard.run(&point, Box::pin(work)).await {
            Err(error) if guard.has_left() => return Err(error),
            done => done,
        };
        self.listen(|| STAYS.to_owned());
        Ok(done)
    }
}

/// Makes the plan of a fix.
async fn plan(fix: &dyn Fix, inquiries: &Inquiries, emit: &Emit) -> Result<Plan, CliError> {
    let session = inquiries.session().await?.with_emit(Arc::clone(emit));
    fix.plan(Site { inquiries, session: &session }).await
}

/// The error of Ctrl-C at a question: it says what has been done by then.
fn told(attempts: &[Attempt]) -> impl Fn(CliError) -> CliError + use<> {
    let some = attempts.iter().any(Attempt::changed_something);
    move |error| match error.code {
        ExitCode::Interrupted => CliError::interrupted(before(some)),
        _ => error,
    }
}

/// Every environment that is not emulated and has valid settings.
fn all(config: &Config) -> Vec<Environment> {
    config
        .names()
        .filter_map(|name| config.environment(name).ok())
        .filter(Environment::has_surroundings)
        .collect()
}

/// The first fix that was not offered yet. Each one is tried once: a finding after that is a new one, such as
/// a lock that was taken in the meantime, which a person has to look at first.
fn next(examined: &[Examined], attempts: &[Attempt]) -> Option<(&'static Check, Arc<dyn Fix>)> {
    examined.iter().find_map(|one| {
        let fixes = one.verdict.findings().iter().filter_map(|finding| finding.fix.clone());
        let mut open = fixes.filter(|fix| attempts.iter().all(|attempt| attempt.fix.id() != fix.id()));
        Some((one.check, open.next()?))
    })
}

/// Runs all checks of the environment again, because a fix can change what other checks look at, too. The check that
/// the fix was for is shown, and those whose result is another one now.
async fn repeat(
    reporter: &crate::report::Reporter,
    inquiries: &Inquiries,
    examined: &mut [Examined],
    attempt: &Attempt,
) {
    let of_environment = |one: &&Examined| matches!(one.check.scope, Scope::Environment(_));
    let subject = Subject {
        machine: &inquiries.machine,
        environment: Some(Surroundings { name: &inquiries.environment.name, inquiries: Some(inquiries) }),
        checks: examined.iter().filter(of_environment).map(|one| one.check).collect(),
    };
    let before = |new: &Examined| examined.iter().position(|old| old.check.id == new.check.id);
    let is_news = |new: &Examined| {
        new.check.id == attempt.check.id || before(new).is_none_or(|old| examined[old].verdict != new.verdict)
    };
    let again = run::run(&[subject], |told| match told {
        Progress::Examined(new) if !is_news(new) => {}
        told => reporter.examined(told),
    })
    .await;
    for new in again {
        if let Some(old) = examined.iter_mut().find(|old| old.check.id == new.check.id) {
            *old = new;
        }
    }
}
