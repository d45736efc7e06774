//! Finds the marks of a run: a pure function of the run, and of what else could be looked at.
//!
//! Values that are not proven can add a mark, and never take one away.
//!
//! To add a mark: its place in `marks`, in the order of [`Mark::ALL`]; `mark.rs` says what else it needs. To judge by
//! something else: its field in [`Judge`], which `review.rs` fills in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use quill_admin_actions::{Actions, RightsWords, SubjectWords};
use quill_admin_cloud::JobName;
use quill_admin_contract::{CHECK, Change, Claim, FieldValue, Outcome, REVIEW, Signature};

use super::mark::Mark;
use super::starts::Starts;
use crate::config::WorkingHours;
use crate::history::{PastRun, Record};

/// The time that the end of a run may be after its record was due: entries of the log come late.
pub(super) const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(5);

/// The time that a task takes at most, and by which this machine's clock may be wrong.
const AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// From when on records were looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// In the whole period.
    Whole,
    /// From this time on.
    From(Timestamp),
    /// A log could not be read, so that no record can be said to be missing.
    Nowhere,
}

/// The knowledge that runs are judged by.
pub(super) struct Judge<'a> {
    /// The actions, whose file says which values are rights.
    pub(super) actions: &'a Actions,
    /// The job that leaves records; those of the application leave none.
    pub(super) own: &'a JobName,
    /// Whether the environment has public keys.
    pub(super) has_keys: bool,
    /// Whether nobody else writes records, as on this machine.
    pub(super) is_embedded: bool,
    /// The working hours, where there are any.
    pub(super) hours: Option<&'a WorkingHours>,
    /// The time from which on Cloud Run has all executions; `None`: it has them all.
    pub(super) executions_from: Option<Timestamp>,
    /// The beginning of the period.
    pub(super) from: Timestamp,
    /// From when on records were looked for.
    pub(super) records: Looked,
    /// Whether all records of rows were read.
    pub(super) rows_read: bool,
    /// The starts in the audit log.
    pub(super) starts: &'a Starts,
}

impl Judge<'_> {
    /// The marks of a run, in the order of [`Mark::ALL`].
    pub(super) fn marks(&self, run: &PastRun) -> Vec<Mark> {
        let mut marks = Vec::new();
        let changed = self.may_have_changed(run);
        // The rows of a bulk run are judged as runs of their own.
        let rows = run.rows();
        let all = || std::iter::once(run).chain(&rows);
        if changed {
            marks.extend(self.own_rights(all()));
            marks.extend(self.privileged(all()));
        }
        let outside = self.hours.and_then(|hours| hours.outside(run.time));
        marks.extend(outside.map(|local| Mark::OutOfHours { local }));
        marks.extend(self.no_start(run));
        if *self.own == run.job {
            marks.extend(self.of_record(run));
        }
        if let Some(undone) = run.undoes.as_ref().filter(|_| changed) {
            marks.push(Mark::Undo { undone: undone.clone(), done: run.exit_code == Some(0) });
        }
        marks.extend(self.failed(run));
        marks.extend(self.rows_missing(run));
        marks.extend(all().find_map(|run| self.not_understood(run)));
        marks
    }

    /// Whether it may have changed something. A preview has not, if that is proven.
    fn may_have_changed(&self, run: &PastRun) -> bool {
        !run.preview || !self.is_proven(run)
    }

    /// Whether the values of a run's record are proven. Where the environment has keys, that takes a signature.
    /// Elsewhere the key of the request has to do, which whoever may read executions knows; that there are no keys is
    /// a gap of its own.
    pub(super) fn is_proven(&self, run: &PastRun) -> bool {
        match run.record {
            Record::Signed => true,
            Record::Proven => !self.has_keys,
            Record::NotProvable | Record::None => false,
        }
    }

    /// The rights that a field of this kind of subject is about, with its name in a sentence.
    fn rights(&self, kind: &str, field: &str) -> Option<(&RightsWords, &str)> {
        let words = self.words(kind)?.fields.iter().find(|words| words.field == field)?;
        Some((words.rights.as_ref()?, &words.label))
    }

    /// The words of a kind of subject. They are the same for every action that has such a subject.
    fn words(&self, kind: &str) -> Option<&SubjectWords> {
        let of_kind = self
            .actions
            .iter()
            .find(|action| action.definition.subject.as_ref().is_some_and(|subject| subject.name == kind));
        of_kind?.words.subject.as_ref()
    }

    fn own_rights<'a>(&self, all: impl Iterator<Item = &'a PastRun>) -> Option<Mark> {
        let own = all.filter(|run| self.is_about_themselves(run));
        let raised: BTreeSet<String> = own
            .flat_map(|run| {
                self.gains(run).filter(|gain| gain.raises).map(|gain| gain.what).collect::<Vec<_>>()
            })
            .collect();
        let raised: Vec<String> = raised.into_iter().collect();
        (!raised.is_empty()).then(|| Mark::OwnRightsRaised { what: raised.join(", ") })
    }

    /// A mark for each kind of privilege, with those who were given it.
    fn privileged<'a>(&self, all: impl Iterator<Item = &'a PastRun>) -> Vec<Mark> {
        let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for run in all {
            let what: Vec<String> =
                self.gains(run).filter(|gain| gain.privileged).map(|gain| gain.what).collect();
            let whom = run.user.clone().or_else(|| run.kind.clone()).unwrap_or_else(|| "somebody".to_owned());
            if !what.is_empty() {
                let whoms = given.entry(what.join(", ")).or_default();
                // There may be several records of one row.
                if !whoms.contains(&whom) {
                    whoms.push(whom);
                }
            }
        }
        given.into_iter().map(|(what, whom)| Mark::PrivilegedGiven { whom, what }).collect()
    }

    /// The values of rights that the subject did not have before.
    fn gains<'a>(&'a self, run: &'a PastRun) -> impl Iterator<Item = Gain> + 'a {
        let kind = run.kind.as_deref();
        let changes = run.changes.iter().flatten();
        changes.filter_map(move |change| {
            let (field, old, new, is_item) = match change {
                Change::Field { field, old, new } => (field, old.as_deref(), new.as_deref()?, false),
                Change::Added { field, item } => (field, None, item.as_str(), true),
                Change::Removed { .. } | Change::Hidden { .. } | Change::Other(_) => return None,
            };
            let (rights, label) = self.rights(kind?, field)?;
            let rank = |value: &str| rights.levels.iter().position(|level| level == value);
            // A value that the file does not know may be a high one.
            let raises = match (old.map(rank), rank(new)) {
                (Some(Some(old)), Some(new)) => new > old,
                _ => true,
            };
            // The values of a list that came with the subject stand on a line each.
            let privileged = rights.privileged.iter().any(|one| new.lines().any(|value| value == one));
            let what = if is_item {
                format!("{label} {new}")
            } else {
                format!("{label} {}", new.replace('\n', ", "))
            };
            Some(Gain { what, raises, privileged })
        })
    }

    /// Whether the subject of a run is the account of who started it. People are compared by the names that the run
    /// has: its user and the email addresses of its subject, with the account and the person who asked, whole or up
    /// to the @.
    fn is_about_themselves(&self, run: &PastRun) -> bool {
        let audited = self.starts.get(&run.execution).and_then(|entry| entry.account.as_deref());
        let people = [run.account.as_deref(), run.actor.as_deref(), audited].into_iter().flatten();
        let names = names(run);
        people.into_iter().any(|person| {
            let local = person.split_once('@').map_or(person, |(local, _)| local);
            names.iter().any(|name| same(name, person) || same(name, local))
        })
    }

    fn no_start(&self, run: &PastRun) -> Option<Mark> {
        if run.has_execution || self.starts.get(&run.execution).is_some() {
            return None;
        }
        // The time is that of the record: the task was started before.
        let executed = self.executions_from.is_none_or(|from| run.time - AT_MOST > from);
        let audited = self.starts.would_have(run.time);
        (executed || audited).then_some(Mark::NoStart { audited })
    }

    fn of_record(&self, run: &PastRun) -> Vec<Mark> {
        let mut marks = Vec::new();
        if run.record == Record::None && self.was_looked_for(run.time) && !run.contradicted {
            marks.push(Mark::NoRecord { of_rows: !run.of_rows.is_empty() });
        }
        if run.contradicted || run.outcome == "contradicted" {
            marks.push(Mark::Contradicted);
        }
        // One record that is not signed is enough: somebody may have added a row.
        let of_rows = || run.of_rows.iter().filter(|claim| !self.is_claim_proven(claim));
        let of_run = run.record != Record::None && !self.is_proven(run);
        if of_run || of_rows().next().is_some() {
            let mut signatures = of_rows().map(|claim| claim.signature).chain([run.signature]);
            let refused = signatures.any(|signature| signature == Signature::Refused);
            let of_row = !of_run;
            marks.push(if self.has_keys { Mark::NotSigned { refused, of_row } } else { Mark::NotProven });
        }
        marks
    }

    /// The same as [`Self::is_proven`], of the record of a row.
    fn is_claim_proven(&self, claim: &Claim) -> bool {
        claim.signature == Signature::Verified || claim.proven && !self.has_keys
    }

    /// The records of rows that the record of a bulk run counts, and that are not there. Rows of an action that only
    /// reads leave none.
    fn rows_missing(&self, run: &PastRun) -> Option<Mark> {
        let Outcome::Each { done, failed, .. } = run.line.as_ref()?.outcome else { return None };
        if !self.rows_read || self.only_reads(run) || !self.may_have_changed(run) {
            return None;
        }
        // The time of a run whose execution is forgotten is that of its record, and its rows are older.
        let begun = if run.has_execution { run.time } else { run.time - AT_MOST };
        if begun < self.from || !self.was_looked_for(begun) {
            return None;
        }
        let told: BTreeSet<u64> = run
            .of_rows
            .iter()
            .filter(|claim| self.is_claim_proven(claim) || !self.is_proven(run))
            .filter_map(|claim| claim.line.row_number)
            .collect();
        let of = done.saturating_add(failed);
        let missing = of.saturating_sub(told.len() as u64);
        (missing > 0).then_some(Mark::RowsMissing { missing, of })
    }

    /// Whether records were looked for as far back as this time.
    fn was_looked_for(&self, time: Timestamp) -> bool {
        match self.records {
            Looked::Whole => true,
            Looked::From(from) => time >= from,
            Looked::Nowhere => false,
        }
    }

    /// Whether the action changes nothing. One that is not known may change something.
    fn only_reads(&self, run: &PastRun) -> bool {
        match run.action.as_deref() {
            Some(CHECK | REVIEW) => true,
            Some(name) => self.actions.get(name).is_some_and(|action| !action.writes() && !action.is_job()),
            None => false,
        }
    }

    fn failed(&self, run: &PastRun) -> Option<Mark> {
        let failed = ["failed", "cancelled"].contains(&run.outcome.as_str())
            || run.exit_code.is_some_and(|code| code != 0);
        (failed && !self.only_reads(run) && !run.preview)
            .then(|| Mark::Failed { outcome: run.outcome.clone(), exit_code: run.exit_code })
    }

    /// An outcome that this version does not know, a change that it does not know, and changes of a kind of subject
    /// that the file of actions does not know.
    fn not_understood(&self, run: &PastRun) -> Option<Mark> {
        let line = run.line.as_ref()?;
        let changes = run.changes.iter().flatten();
        // What a row has changed that an earlier execution has saved was told by nobody.
        let unknown = matches!(line.outcome, Outcome::Other(_) | Outcome::DoneBefore)
            || changes.clone().any(|change| matches!(change, Change::Other(_)))
            || changes.clone().next().is_some()
                && run.kind.as_deref().is_none_or(|kind| self.words(kind).is_none());
        unknown.then(|| Mark::NotUnderstood { outcome: run.outcome.clone() })
    }

    /// Whether a run has not ended yet, or its record may still be on its way: it is left to the next review.
    pub(super) fn is_open(&self, run: &PastRun, now: Timestamp) -> bool {
        let ended = run.duration.and_then(|duration| run.time.checked_add(duration).ok()).unwrap_or(run.time);
        // Only Cloud Run says that something runs: a record can be invented that says so for ever.
        let runs = run.has_execution && run.line.is_none() && run.outcome == "running";
        let lacks = run.record == Record::None || self.rows_missing(run).is_some();
        let waits = *self.own == run.job && lacks;
        runs || waits && now < ended + ON_ITS_WAY && !self.is_embedded
    }
}

/// A value of rights that the subject did not have before.
struct Gain {
    /// The field and the value, in words.
    what: String,
    /// Whether it is more than what was there before, or may be.
    raises: bool,
    /// Whether it allows everything.
    privileged: bool,
}

/// The names by which the subject of a run may be known: its user, its key, and the email addresses that it has or
/// had.
fn names(run: &PastRun) -> Vec<&str> {
    let subject = run.line.as_ref().and_then(|line| line.outcome.subject());
    let key = subject.and_then(|subject| subject.key.as_deref());
    let emails =
        subject.into_iter().flat_map(|subject| subject.fields.values()).filter_map(|value| match value {
            FieldValue::Text(text) => Some(text.as_str()),
            _ => None,
        });
    let changed = run.changes.iter().flatten().flat_map(|change| match change {
        Change::Field { old, new, .. } => [old.as_deref(), new.as_deref()],
        _ => [None, None],
    });
    let emails = emails.chain(changed.flatten()).filter(|text| text.contains('@'));
    run.user.as_deref().into_iter().chain(key).chain(emails).collect()
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
