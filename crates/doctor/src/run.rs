//! Runs checks: those that do not depend on each other at the same time. Each result is reported in the
//! catalogue's order, as soon as all results before it are known.
//!
//! A check whose needs are blocked is skipped, and names the check to correct first.
//!
//! To add a verdict: a variant of [`Verdict`], its [`Health`] and its exit code here, and `report/doctor.rs` of the
//! command-line program.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use quill_admin_contract::ExitCode;

use super::check::{Check, Scope};
use super::finding::{Finding, Report, Severity};
use super::inquiries::{Inquiries, Machine};
use super::undecided::Undecided;

/// The subject of some checks, in the order in which they are reported.
#[derive(Debug)]
pub struct Subject<'a> {
    /// This machine.
    pub machine: &'a Machine,
    /// The environment, where the subject is one.
    pub environment: Option<Surroundings<'a>>,
    /// The checks.
    pub checks: Vec<&'static Check>,
}

/// An environment that is checked.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Its name.
    pub name: &'a str,
    /// The inquiries about it; `None` where the environments file has no usable entry for it.
    pub inquiries: Option<&'a Inquiries>,
}

/// The result of one check.
#[derive(Debug)]
pub struct Examined {
    /// The check.
    pub check: &'static Check,
    /// The environment that was checked, if it is a check of one.
    pub environment: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The time that it took.
    pub took: Duration,
}

/// The verdict of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was run.
    Ran(Report),
    /// It had nothing to examine, because of another check.
    Skipped {
        /// The check to be corrected first.
        needs: &'static str,
    },
}

/// A verdict in one word, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing is wrong.
    Healthy,
    /// There was nothing to examine.
    Skipped,
    /// Something is worth knowing.
    Warning,
    /// It could not be decided.
    Undecided,
    /// Something is wrong.
    Problem,
}

impl Health {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Undecided => "undecided",
            Self::Problem => "problem",
        }
    }
}

impl Verdict {
    /// The verdict in one word: the worst of its findings and of what is undecided, where there is any.
    #[must_use]
    pub fn health(&self) -> Health {
        if matches!(self, Self::Ran(Report::Nothing { .. }) | Self::Skipped { .. }) {
            return Health::Skipped;
        }
        let found = self.findings().iter().map(|finding| match finding.severity {
            Severity::Warning => Health::Warning,
            Severity::Problem => Health::Problem,
        });
        found.chain(self.undecided().iter().map(|_| Health::Undecided)).max().unwrap_or(Health::Healthy)
    }

    /// The findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Ran(Report::Examined { findings, .. }) => findings,
            _ => &[],
        }
    }

    /// The things that could not be decided.
    #[must_use]
    pub fn undecided(&self) -> &[Undecided] {
        match self {
            Self::Ran(Report::Examined { undecided, .. }) => undecided,
            _ => &[],
        }
    }

    /// Whether checks that need this one have nothing to examine.
    fn blocks(&self) -> bool {
        match self {
            Self::Ran(_) => {
                self.findings().iter().any(|finding| finding.blocks)
                    || self.undecided().iter().any(|undecided| undecided.blocks)
            }
            Self::Skipped { .. } => true,
        }
    }
}

/// The exit code of the program after these results.
#[must_use]
pub fn exit_code(examined: &[Examined]) -> u8 {
    match examined.iter().map(|one| one.verdict.health()).max() {
        Some(Health::Problem) => ExitCode::ProblemsFound.code(),
        Some(Health::Undecided) => ExitCode::Undecided.code(),
        _ => ExitCode::Success.code(),
    }
}

/// The progress of a run of checks.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// The result of one check.
    Examined(&'a Examined),
    /// The ids of the checks that are under way; the report waits for the first of them.
    Waiting(&'a [&'static str]),
}

/// One check of one subject.
struct Planned<'a> {
    check: &'static Check,
    subject: &'a Subject<'a>,
    /// The indexes in the plan of the checks that it needs. A check that was not asked for is not waited for:
    /// this check itself reports what is missing then.
    needs: Vec<usize>,
}

/// Runs all checks of these subjects.
pub async fn run(subjects: &[Subject<'_>], mut tell: impl FnMut(Progress<'_>)) -> Vec<Examined> {
    let plan = plan(subjects);
    let mut verdicts: Vec<Option<Examined>> = plan.iter().map(|_| None).collect();
    let mut begun: BTreeSet<usize> = BTreeSet::new();
    let mut inspections = FuturesUnordered::new();
    let mut told = 0;
    loop {
        // A check that is skipped may decide another one.
        loop {
            let before = begun.len();
            for (index, planned) in plan.iter().enumerate() {
                let open = planned.needs.iter().any(|need| verdicts[*need].is_none());
                if open || begun.contains(&index) {
                    continue;
                }
                begun.insert(index);
                let blocked = planned
                    .needs
                    .iter()
                    .find_map(|need| verdicts[*need].as_ref().filter(|examined| examined.verdict.blocks()));
                // The check to correct first is named, not the last one in the chain.
                let root = blocked.map(|by| match by.verdict {
                    Verdict::Skipped { needs } => needs,
                    Verdict::Ran(_) => by.check.id,
                });
                match (root, planned.inspect()) {
                    (Some(needs), _) => verdicts[index] = Some(planned.examined(Verdict::Skipped { needs })),
                    (None, Err(verdict)) => verdicts[index] = Some(planned.examined(verdict)),
                    (None, Ok(inspecting)) => inspections.push(async move {
                        let started = Instant::now();
                        let report = inspecting.await.unwrap_or_else(Report::from);
                        (index, Verdict::Ran(report), started.elapsed())
                    }),
                }
            }
            if begun.len() == before {
                break;
            }
        }
        while let Some(Some(next)) = verdicts.get(told) {
            tell(Progress::Examined(next));
            told += 1;
        }
        let waiting: Vec<&'static str> = (told..plan.len())
            .filter(|index| verdicts[*index].is_none() && begun.contains(index))
            .map(|index| plan[index].check.id)
            .collect();
        tell(Progress::Waiting(&waiting));
        let Some((index, verdict, took)) = inspections.next().await else { break };
        verdicts[index] = Some(Examined { took, ..plan[index].examined(verdict) });
    }
    verdicts.into_iter().flatten().collect()
}

fn plan<'a>(subjects: &'a [Subject<'a>]) -> Vec<Planned<'a>> {
    let mut plan: Vec<Planned<'a>> = Vec::new();
    for subject in subjects {
        for check in &subject.checks {
            // The needed check is one of the same subject, or of this machine.
            let found = |id: &str| {
                plan.iter().position(|planned| {
                    planned.check.id == id
                        && (std::ptr::eq(planned.subject, subject) || planned.subject.environment.is_none())
                })
            };
            let needs = check.needs.iter().filter_map(|id| found(id)).collect();
            plan.push(Planned { check, subject, needs });
        }
    }
    plan
}

impl<'a> Planned<'a> {
    /// Begins the examination, or returns its verdict at once.
    fn inspect(&self) -> Result<BoxFuture<'a, Result<Report, Undecided>>, Verdict> {
        match (self.check.scope, &self.subject.environment) {
            (Scope::Machine(inspect) | Scope::Repository(inspect), _) => Ok(inspect(self.subject.machine)),
            (Scope::Environment(inspect), Some(Surroundings { inquiries: Some(inquiries), .. })) => {
                Ok(inspect(inquiries))
            }
            (Scope::Environment(_), _) => Err(Verdict::Skipped { needs: "machine-config" }),
        }
    }

    fn examined(&self, verdict: Verdict) -> Examined {
        Examined {
            check: self.check,
            environment: self.subject.environment.as_ref().map(|environment| environment.name.to_owned()),
            verdict,
            took: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(findings: Vec<Finding>, undecided: Vec<Undecided>) -> Verdict {
        Verdict::Ran(Report::found("looked at", findings).and_undecided(undecided))
    }

    #[test]
    fn what_is_undecided_counts_beside_what_was_found() {
        let warning = || vec![Finding::warning("a", "b")];
        let problem = || vec![Finding::problem("a", "b").blocks_nothing()];
        let unseen = || vec![Undecided::new("refused")];
        let free = || vec![Undecided::new("refused").blocks_nothing()];
        for (verdict, health, blocks) in [
            (verdict(Vec::new(), Vec::new()), Health::Healthy, false),
            (verdict(Vec::new(), free()), Health::Undecided, false),
            (verdict(warning(), Vec::new()), Health::Warning, false),
            (verdict(warning(), free()), Health::Undecided, false),
            (verdict(problem(), free()), Health::Problem, false),
            (verdict(problem(), unseen()), Health::Problem, true),
        ] {
            assert_eq!((verdict.health(), verdict.blocks()), (health, blocks), "{verdict:?}");
        }
    }
}
