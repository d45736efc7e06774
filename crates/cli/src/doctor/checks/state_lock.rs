//! Nobody has left Terraform's state locked.

use jiff::{SignedDuration, Timestamp};
use quill_admin_cloud::{LockInfo, ObjectName, StateLock};

use crate::doctor::check::{Check, Finding, Look, Seen, Undecided};
use crate::doctor::facts::Facts;
use crate::doctor::treatment::Treatment;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "state-lock",
    title: "the lock on Terraform's state",
    // The state is in a bucket of another project.
    needs: &[],
    look: Look::Environment(|facts| Box::pin(look(facts))),
};

/// A lock younger than this is probably that of a Terraform at work: making a Cloud SQL instance takes it
/// a quarter of an hour and more.
const YOUNG: SignedDuration = SignedDuration::from_mins(30);

async fn look(facts: &Facts) -> Result<Seen, Undecided> {
    let Some(name) = &facts.environment.state_lock else {
        return Ok(Seen::nothing(match facts.nothing_around() {
            Some(Seen::Nothing { why }) => why,
            _ => "the environments file names no Terraform state".to_owned(),
        }));
    };
    let Some(lock) = facts.state_lock().await? else { return Ok(Seen::healthy("not locked")) };
    let what = format!("Terraform's state is locked {}", words(lock));
    let finding = match young(lock.created) {
        Some(age) => Finding::warning(
            what,
            format!("the lock is {age} old: Terraform is probably at work, and will give it back"),
        )
        .advice("wait until it is gone"),
        None => Finding::problem(
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
        .treatment(Treatment::RemoveLock {
            generation: lock.generation,
            created: lock.created,
            holder: holder(lock).to_owned(),
        })
        .blocks_nothing()
        .into())
}

/// How old a young lock is, in words; `None` if it is not young.
pub(in crate::doctor) fn young(created: Timestamp) -> Option<String> {
    let age = Timestamp::now().duration_since(created);
    (age < YOUNG).then(|| match age.as_mins() {
        ..1 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    })
}

/// The lock, line by line.
pub(in crate::doctor) fn lines(name: &ObjectName, lock: &StateLock) -> Vec<String> {
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
