//! Looks: what does not depend on each other at the same time, told in the catalogue's order as soon
//! as everything before it is known.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use quill_admin_contract::ExitCode;

use super::check::{Check, Look};
use super::facts::{Facts, Machine};
use super::finding::{Finding, Seen, Severity};
use super::undecided::Undecided;

/// What is looked at, in the order it is told in.
pub struct Subject<'a> {
    /// This machine.
    pub machine: &'a Machine,
    /// The environment, where it is one.
    pub environment: Option<Surroundings<'a>>,
    /// The checks.
    pub checks: Vec<&'static Check>,
}

/// An environment that is looked at.
pub struct Surroundings<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is known of it; `None` where the environments file says nothing that can be used.
    pub facts: Option<&'a Facts>,
}

/// What came of one check.
pub struct Examined {
    /// The check.
    pub check: &'static Check,
    /// The environment it was about.
    pub environment: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It saw something.
    Seen(Seen),
    /// It could not decide.
    Undecided(Undecided),
    /// It had nothing to look at, because of another one.
    Skipped {
        /// Which: the one to be put right first.
        needs: &'static str,
    },
}

/// A verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing is wrong.
    Healthy,
    /// There was nothing to look at.
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
    /// How bad it is, whatever it saw.
    #[must_use]
    pub fn health(&self) -> Health {
        match self {
            Self::Seen(Seen::Nothing { .. }) | Self::Skipped { .. } => Health::Skipped,
            Self::Undecided(_) => Health::Undecided,
            Self::Seen(Seen::Looked { findings, .. }) => {
                match findings.iter().map(|finding| finding.severity).max() {
                    None => Health::Healthy,
                    Some(Severity::Warning) => Health::Warning,
                    Some(Severity::Problem) => Health::Problem,
                }
            }
        }
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Seen(Seen::Looked { findings, .. }) => findings,
            _ => &[],
        }
    }

    /// Whether checks that need this one have nothing to look at.
    fn blocks(&self) -> bool {
        match self {
            Self::Seen(_) => self.findings().iter().any(|finding| finding.blocks),
            Self::Undecided(undecided) => undecided.blocks,
            Self::Skipped { .. } => true,
        }
    }
}

/// How the program ends because of verdicts.
#[must_use]
pub fn exit_code(examined: &[Examined]) -> u8 {
    match examined.iter().map(|one| one.verdict.health()).max() {
        Some(Health::Problem) => ExitCode::ProblemsFound.code(),
        Some(Health::Undecided) => ExitCode::Undecided.code(),
        _ => ExitCode::Success.code(),
    }
}

/// What happens while checks are looked at.
#[derive(Clone, Copy)]
pub enum Told<'a> {
    /// This came of one.
    Examined(&'a Examined),
    /// These are still under way: the first of those that are waited for.
    Waiting(&'a [&'static str]),
}

/// One check of one subject.
struct Planned<'a> {
    check: &'static Check,
    subject: &'a Subject<'a>,
    /// Where the checks it needs are in the plan. One that was not asked for is not waited for: what is
    /// missing then is this check's own to say.
    needs: Vec<usize>,
}

/// Looks at everything.
pub async fn run(subjects: &[Subject<'_>], mut tell: impl FnMut(Told<'_>)) -> Vec<Examined> {
    let plan = plan(subjects);
    let mut verdicts: Vec<Option<Examined>> = plan.iter().map(|_| None).collect();
    let mut begun: BTreeSet<usize> = BTreeSet::new();
    let mut looks = FuturesUnordered::new();
    let mut told = 0;
    loop {
        // One that is skipped may decide another.
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
                // What is to be put right first, not the last one in the chain.
                let root = blocked.map(|by| match by.verdict {
                    Verdict::Skipped { needs } => needs,
                    _ => by.check.id,
                });
                match (root, planned.look()) {
                    (Some(needs), _) => verdicts[index] = Some(planned.examined(Verdict::Skipped { needs })),
                    (None, Err(verdict)) => verdicts[index] = Some(planned.examined(verdict)),
                    (None, Ok(look)) => looks.push(async move {
                        let started = Instant::now();
                        let verdict = match look.await {
                            Ok(seen) => Verdict::Seen(seen),
                            Err(undecided) => Verdict::Undecided(undecided),
                        };
                        (index, verdict, started.elapsed())
                    }),
                }
            }
            if begun.len() == before {
                break;
            }
        }
        while let Some(Some(next)) = verdicts.get(told) {
            tell(Told::Examined(next));
            told += 1;
        }
        let waiting: Vec<&'static str> = (told..plan.len())
            .filter(|index| verdicts[*index].is_none() && begun.contains(index))
            .map(|index| plan[index].check.id)
            .collect();
        tell(Told::Waiting(&waiting));
        let Some((index, verdict, took)) = looks.next().await else { break };
        verdicts[index] = Some(Examined { took, ..plan[index].examined(verdict) });
    }
    verdicts.into_iter().flatten().collect()
}

fn plan<'a>(subjects: &'a [Subject<'a>]) -> Vec<Planned<'a>> {
    let mut plan: Vec<Planned<'a>> = Vec::new();
    for subject in subjects {
        for check in &subject.checks {
            // Of the same subject, or of this machine.
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
    /// Begins to look, or says at once what comes of it.
    fn look(&self) -> Result<BoxFuture<'a, Result<Seen, Undecided>>, Verdict> {
        match (self.check.look, &self.subject.environment) {
            (Look::Machine(look) | Look::Repository(look), _) => Ok(look(self.subject.machine)),
            (Look::Environment(look), Some(Surroundings { facts: Some(facts), .. })) => Ok(look(facts)),
            (Look::Environment(_), _) => Err(Verdict::Skipped { needs: "machine-config" }),
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
