//! The check `state-lock`: nobody has left Terraform's state locked. Its fix removes the lock.
//!
//! A young lock is a warning, because Terraform is probably at work; an old one is a problem. The fix removes
//! a young one, and one of unknown age, only with `--force`.
//!
//! To change when a lock counts as old: `YOUNG`, as docs/decisions/0020-a-lock-is-young-for-half-an-hour.md has it.

use jiff::SignedDuration;
use quill_admin_cloud::{LockInfo, ObjectName, Removal, StateLock, role};
use quill_admin_contract::ExitCode;
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::UnderWay;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::fix::{Fix, Plan, Planning, Site};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "state-lock",
    title: "the lock on Terraform's state",
    // It needs no other check: the state is in a bucket of another project.
    needs: &[],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

/// The age up to which a lock probably belongs to a Terraform at work: it takes a quarter of an hour and more
/// to create a Cloud SQL instance.
const YOUNG: SignedDuration = SignedDuration::from_mins(30);

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let Some(name) = &inquiries.environment.state_lock else {
        let unnamed = "the environments file names no Terraform state";
        return Ok(Report::nothing(inquiries.nothing_around().unwrap_or(unnamed)));
    };
    let Some(lock) = inquiries.state_lock().await? else {
        // A lock that is looked for under a wrong name is never found.
        return match inquiries.has_state().await? {
            Some(true) => Ok(Report::healthy("not locked")),
            _ => Err(nothing_there(name)),
        };
    };
    let what = format!("Terraform's state is locked {}", words(lock));
    let age = age(lock);
    let doubt = match &age {
        Age::Young(age) => {
            Some(format!("the lock of {} is {age} old: Terraform is probably at work", holder(lock)))
        }
        Age::Old => None,
        Age::Unknown(why) => Some(format!("how old the lock of {} is cannot be told: {why}", holder(lock))),
    };
    let finding = match age {
        Age::Young(age) => Finding::warning(
            what,
            format!("the lock is {age} old: Terraform is probably at work, and will give it back"),
        )
        .advice("wait until it is gone"),
        Age::Unknown(why) => Finding::problem(
            what,
            format!("how old the lock is cannot be told, and Terraform may be at work: {why}"),
        )
        .advice(format!("ask {} whether it is still at work", holder(lock)))
        .advice("put this machine's clock right, if it is wrong")
        .advice(by_hand(name, lock.generation)),
        Age::Old => Finding::problem(
            what,
            "a Terraform that broke off did not give it back: until it is gone, every other one ends with \
             \"Error acquiring the state lock\" (conditionNotMet)",
        )
        .advice(format!("ask {} whether it is still at work", holder(lock)))
        .advice(by_hand(name, lock.generation)),
    };
    Ok(finding
        .since(Some(lock.created))
        .evidence(lines(name, lock))
        .fix(RemoveLock { generation: lock.generation, doubt })
        .blocks_nothing()
        .into())
}

/// The doubt that remains where there is neither a lock nor a state that it would lock.
fn nothing_there(name: &ObjectName) -> Undecided {
    let why = match name.locked_state() {
        Some(state) => {
            format!("there is no lock {name}, and no state {state} either: one of the two names is wrong")
        }
        None => format!("there is no lock {name}, and Terraform names none so: its locks end with .tflock"),
    };
    let bucket = name.bucket();
    Undecided::new(why)
        .advice(format!("see what there is: gcloud storage ls --recursive gs://{bucket}/"))
        .advice("then correct terraform_state in environments.yaml: the file is named after Terraform's workspace")
}

/// The greatest difference between this machine's clock and Cloud Storage's. The header `Date` is in whole
/// seconds, and the answer was under way for some time.
const APART: SignedDuration = SignedDuration::from_mins(1);

/// The age of a lock, as far as it is known.
enum Age {
    /// Younger than [`YOUNG`]; holds the age in words.
    Young(String),
    Old,
    /// It is not known; holds the reason.
    Unknown(String),
}

/// The age of a lock when it was read. Both times are Cloud Storage's: this machine's clock can be wrong, and
/// if it were an hour ahead, a lock that was just taken would look old. Where the two clocks disagree one of
/// them is wrong, and the age is not known.
fn age(lock: &StateLock) -> Age {
    let Some(seen) = lock.seen else {
        return Age::Unknown("Cloud Storage's answer does not say what time it is".to_owned());
    };
    let ahead = lock.seen_here.duration_since(seen);
    if ahead.abs() > APART {
        let by = minutes(ahead.abs());
        let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
        return Age::Unknown(format!("this machine's clock is {by} {direction} Cloud Storage's"));
    }
    let age = seen.duration_since(lock.created);
    if age < -APART {
        return Age::Unknown("it was taken later than now by Cloud Storage's clock".to_owned());
    }
    if age < YOUNG { Age::Young(minutes(age)) } else { Age::Old }
}

/// Rounds a time to the nearest minute: Cloud Storage's time has no fractions of a second.
fn minutes(time: SignedDuration) -> String {
    match (time + SignedDuration::from_secs(30)).as_mins() {
        ..1 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

/// Describes the lock, line by line.
fn lines(name: &ObjectName, lock: &StateLock) -> Vec<String> {
    let mut lines = vec![format!("{name}, generation {}", lock.generation)];
    match &lock.info {
        Some(LockInfo { id, operation, info, who, version, created, path: _ }) => {
            let created = created.map(|created| created.to_string()).unwrap_or_default();
            let all = [
                ("held by", who),
                ("for", operation),
                ("about", info),
                ("since", &created),
                ("with Terraform", version),
                ("lock id", id),
            ];
            lines.extend(
                all.into_iter()
                    .filter(|(_, text)| !text.is_empty())
                    .map(|(key, text)| format!("{key} {text}")),
            );
        }
        None => lines.push("its content is not what Terraform writes".to_owned()),
    }
    lines
}

fn words(lock: &StateLock) -> String {
    let operation = lock.info.as_ref().map_or("", |info| info.operation.as_str());
    let operation = match operation.strip_prefix("OperationType") {
        Some(operation) if !operation.is_empty() => format!(" for {}", operation.to_lowercase()),
        _ => String::new(),
    };
    format!("by {}{operation}", holder(lock))
}

fn holder(lock: &StateLock) -> &str {
    lock.info.as_ref().map(|info| info.who.as_str()).filter(|who| !who.is_empty()).unwrap_or("somebody")
}

fn by_hand(name: &ObjectName, generation: i64) -> String {
    format!("or remove it by hand: gcloud storage rm {name} --if-generation-match={generation}")
}

/// The fix that removes exactly this lock on Terraform's state, and no later one.
#[derive(Debug)]
struct RemoveLock {
    /// The generation of the lock's object.
    generation: i64,
    /// The reason why it must not be removed without `--force`: it is young, or its age is not known.
    doubt: Option<String>,
}

impl Fix for RemoveLock {
    fn id(&self) -> &'static str {
        "remove-lock"
    }

    fn summary(&self) -> &'static str {
        "remove exactly this lock, and no later one"
    }

    fn refused(&self) -> Option<String> {
        self.doubt.clone()
    }

    fn plan<'a>(&'a self, Site { inquiries, .. }: Site<'a>) -> Planning<'a> {
        Box::pin(async move {
            let (Some(name), Some(lock)) = (&inquiries.environment.state_lock, inquiries.state_lock().await?)
            else {
                return Err(CliError::new(ExitCode::ResourceNotFound, "there is no lock any more"));
            };
            // Exactly the lock that was shown is removed.
            if lock.generation != self.generation {
                return Err(CliError::new(ExitCode::CloudFailed, replaced()));
            }
            let (name, generation) = (name.clone(), self.generation);
            Ok(Plan::new(lines(&name, lock), move |site, point| {
                Box::pin(async move {
                    point.reached(UnderWay::change()).await;
                    remove(site, &name, generation).await
                })
            }))
        })
    }
}

async fn remove(
    Site { inquiries, session }: Site<'_>,
    name: &ObjectName,
    generation: i64,
) -> Result<String, CliError> {
    session.emit(Event::Doing("removing the lock"));
    let denied = |error| inquiries.undecided(error, role::STORAGE_USER);
    match session.google().remove_state_lock(name, generation).await.map_err(denied)? {
        Removal::Removed => Ok("the lock is gone; run the apply, or the workflow, again".to_owned()),
        Removal::Gone => Ok("the lock was gone already".to_owned()),
        Removal::Replaced => Err(CliError::new(ExitCode::CloudFailed, replaced())),
    }
}

fn replaced() -> &'static str {
    "somebody has taken another lock in the meantime: it was left alone"
}
