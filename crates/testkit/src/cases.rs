//! Seeded cases of six actions (`create-superadmin`, `update-permissions`, `add-role`, `remove-role`, `show-user` and
//! `check`): the content of a database, and the request.
//!
//! A case is made from a single number, so that the same cases can be run through every interface of a task
//! (the executor's variables, the CLI's command line), and with any later implementation, and be compared
//! line by line. The result of a case is an [`Observation`]; [`Golden`] holds the observations that are
//! checked in.
//!
//! ```no_run
//! use quill_admin_testkit::cases::{Case, changed, rows};
//! use quill_admin_testkit::postgres::{Database, Generation};
//!
//! let db = Database::create(Generation::August2026);
//! let case = Case::of(7, Generation::August2026);
//! case.prepare(&db);
//! let before = rows(&db);
//! // … do what `case.task` says …
//! let difference = changed(&before, &rows(&db));
//! ```
//!
//! To add an action: its name and its values in `task`. The golden files of both tests that are called `pinned.rs`
//! change with every change here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::postgres::{Database, Generation, ROLES, quote_literal};

/// The variable that makes [`Golden::compare`] write the observations instead of comparing them; any value
/// will do.
pub const REWRITE: &str = "QUILL_ADMIN_TEST_REWRITE_CASES";

/// Hashes in the application's form, and their names in observations.
pub const HASHES: [(&str, &str); 3] = [
    (
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1sJzVLmYRhY",
        "<hash 1>",
    ),
    (
        "$argon2id$v=19$m=65536,t=3,p=4$b3RoZXJzYWx0b3RoZXJzYQ$JObG1sJzVLmYRhYRdescudvJCsgt3ubb4dWRWJTmaac",
        "<hash 2>",
    ),
    (
        "$argon2id$v=19$m=65536,t=3,p=4$dGhpcmRzYWx0dGhpcmRzYQ$lmYRhYRdescudvJCsgt3ubb4dWRWJTmaacJObG1sJzU",
        "<hash 3>",
    ),
];

/// The prefix of every hash of the application's form.
const HASH_START: &str = "$argon2id$v=19$m=65536,t=3,p=4$";

/// The length of such a hash.
const HASH_LENGTH: usize = 97;

/// A role that the application does not seed, as an administrator may have added it.
const EXTRA_ROLE: &str = "Réviseur (externe) 🙂";

/// Names of users that a database may have.
const USERNAMES: [&str; 9] = [
    "steve.jones",
    "Steve.Jones",
    "jo",
    "o'brien",
    "jos\u{e9}",
    "jose\u{301}",
    "иван петров",
    "\"; DROP TABLE users; --",
    "name with  two blanks",
];

/// Permission levels that a database may have, known or not.
const LEVELS: [&str; 7] = ["patient", "staff", "admin", "superadmin", "owner", "SUPERADMIN", ""];

/// A user as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub username: String,
    /// Email address.
    pub email: String,
    /// Stored hash.
    pub password_hash: String,
    /// The stored hash.
    pub active: bool,
    /// The secret of one-time codes, where they are set up.
    pub totp_secret: Option<String>,
    /// Whether one-time codes are required.
    pub totp_enabled: bool,
    /// Base profession.
    pub profession: String,
    /// Permission level.
    pub level: String,
    /// Competencies beyond the profession's, as JSON.
    pub competencies: &'static str,
    /// Registrations, as JSON.
    pub registrations: Option<&'static str>,
    /// Whether the email is verified, where the tables have that column.
    pub email_verified: bool,
    /// Names of roles.
    pub roles: Vec<String>,
}

/// The content of a database, and a request.
#[derive(Debug, Clone)]
pub struct Case {
    /// The number that the case was made from.
    pub seed: u64,
    /// The generation of the tables.
    pub generation: Generation,
    /// The roles of the database.
    pub roles: Vec<String>,
    /// The users of the database.
    pub users: Vec<User>,
    /// The variables of the contract for the request.
    pub task: BTreeMap<&'static str, String>,
}

fn pick<'a, T: ?Sized>(rng: &mut Rng, from: &[&'a T]) -> &'a T {
    from[rng.usize(..from.len())]
}

fn one_in(rng: &mut Rng, n: u32) -> bool {
    rng.u32(..n) == 0
}

impl Case {
    /// The case of a number. It is the same on every generation of the tables, except for columns that a
    /// generation does not have.
    #[must_use]
    pub fn of(seed: u64, generation: Generation) -> Self {
        // Neighbouring seeds give neighbouring first choices; a few draws separate them.
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let roles = roles(&mut rng);
        let mut users = users(&mut rng, &roles);
        let mut task = task(&mut rng, seed, &users);
        if task["ADMIN_ACTION"] == "create-superadmin" && one_in(&mut rng, 5) {
            done_already(&mut task, &mut users, &roles);
        }
        Self { seed, generation, roles, users, task }
    }

    /// Makes the content of the database that of the case. Numbers of rows begin at 1.
    pub fn prepare(&self, db: &Database) {
        let mut sql = "TRUNCATE users, roles, user_role RESTART IDENTITY;".to_owned();
        for role in &self.roles {
            let _ = write!(sql, "INSERT INTO roles (name) VALUES ({});", quote_literal(role));
        }
        for (index, user) in self.users.iter().enumerate() {
            let text = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), quote_literal);
            let (column, value) = match self.generation {
                Generation::March2026 => ("", String::new()),
                Generation::August2026 => (", email_verified", format!(", {}", user.email_verified)),
            };
            let fhir = (index % 2 == 1).then(|| format!("fhir-{index}"));
            let _ = write!(
                sql,
                "INSERT INTO users (username, email, password_hash, is_active, totp_secret, is_totp_enabled, \
                 base_profession, additional_competencies, removed_competencies, professional_registrations, \
                 system_permissions, fhir_patient_id{column}) \
                 VALUES ({}, {}, {}, {}, {}, {}, {}, {}, '[]', {}, {}, {}{value});",
                quote_literal(&user.username),
                quote_literal(&user.email),
                quote_literal(&user.password_hash),
                user.active,
                text(user.totp_secret.as_deref()),
                user.totp_enabled,
                quote_literal(&user.profession),
                quote_literal(user.competencies),
                text(user.registrations),
                quote_literal(&user.level),
                text(fhir.as_deref()),
            );
            for role in &user.roles {
                let _ = write!(
                    sql,
                    "INSERT INTO user_role SELECT users.id, roles.id FROM users, roles \
                     WHERE username = {} AND name = {};",
                    quote_literal(&user.username),
                    quote_literal(role),
                );
            }
        }
        db.execute(&sql);
    }
}

/// Gives the first user the state that the task would bring about.
fn done_already(task: &mut BTreeMap<&'static str, String>, users: &mut [User], roles: &[String]) {
    let Some(user) = users.first_mut() else { return };
    HASHES[2].0.clone_into(&mut user.password_hash);
    "superadmin".clone_into(&mut user.level);
    "consultant".clone_into(&mut user.profession);
    user.email_verified = true;
    user.roles = roles.iter().take(2).cloned().collect();
    task.insert("ADMIN_USERNAME", user.username.clone());
    task.insert("ADMIN_EMAIL", user.email.clone());
    task.insert("ADMIN_PASSWORD_HASH", user.password_hash.clone());
    task.remove("ADMIN_PASSWORD");
}

fn roles(rng: &mut Rng) -> Vec<String> {
    let mut roles: Vec<String> = ROLES.map(str::to_owned).to_vec();
    match rng.u32(..8) {
        // The migrations leave the table empty.
        0 => roles.clear(),
        1 => {
            roles.remove(0);
        }
        2 | 3 => roles.push(EXTRA_ROLE.to_owned()),
        _ => {}
    }
    roles
}

fn users(rng: &mut Rng, roles: &[String]) -> Vec<User> {
    let mut names: Vec<String> = USERNAMES.map(str::to_owned).to_vec();
    names.push("ü".repeat(150));
    rng.shuffle(&mut names);
    // Now and then there is no user.
    names.truncate(if one_in(rng, 10) { 0 } else { rng.usize(1..5) });
    let mut users = Vec::new();
    for (index, username) in names.into_iter().enumerate() {
        let mut own: Vec<String> = roles.to_vec();
        rng.shuffle(&mut own);
        own.truncate(rng.usize(..4));
        users.push(User {
            username,
            email: format!("user{index}@example.org"),
            password_hash: pick(rng, &[HASHES[0].0, HASHES[1].0, "an old hash"]).to_owned(),
            active: !one_in(rng, 4),
            totp_secret: one_in(rng, 3).then(|| format!("TOTP{index}")),
            totp_enabled: one_in(rng, 3),
            profession: pick(rng, &["consultant", "nurse", "patient", ""]).to_owned(),
            level: pick(rng, &LEVELS).to_owned(),
            competencies: pick(rng, &["[]", "[\"prescribe\"]"]),
            registrations: one_in(rng, 3).then_some("{\"gmc\": \"1234567\"}"),
            email_verified: !one_in(rng, 3),
            roles: own,
        });
    }
    users
}

/// A user's name: mostly an existing one, otherwise one that does not exist, or that must be refused.
fn username(rng: &mut Rng, users: &[User]) -> String {
    let known = |rng: &mut Rng| {
        let index = rng.usize(..users.len().max(1));
        users.get(index).map_or_else(|| "steve.jones".to_owned(), |user| user.username.clone())
    };
    match rng.u32(..20) {
        0..=9 => known(rng),
        // A name that does not exist, except by chance.
        10 | 11 => pick(rng, &USERNAMES).to_owned(),
        // A name that looks the same, in Cyrillic.
        12 | 13 => known(rng).replace('o', "\u{43e}").replace('e', "\u{435}"),
        14 => "nobody.of.this.name".to_owned(),
        // Names are compared exactly.
        15 => known(rng).to_uppercase(),
        // White space is stripped.
        16 => format!("  {}\t", known(rng)),
        17 => "é".repeat(150),
        _ => pick(rng, &["", "a\u{1b}b", "steve\u{200b}.jones", "steve\u{202e}.jones", "a\nb"]).to_owned(),
    }
}

fn email(rng: &mut Rng, users: &[User]) -> String {
    match rng.u32(..12) {
        0..=4 => "new@example.org".to_owned(),
        // The email of a user: the same or another one.
        5..=8 => format!("user{}@example.org", rng.usize(..users.len().max(1))),
        9 => " Ж+x@пример.рф ".to_owned(),
        10 => format!("{}@example.org", "x".repeat(243)),
        _ => pick(rng, &["nobody", "a b@x", "a@b@c", "", "steve@example.org,", "mailto:steve@example.org"])
            .to_owned(),
    }
}

fn role(rng: &mut Rng) -> String {
    match rng.u32(..12) {
        0..=7 => pick(rng, &ROLES).to_owned(),
        8 => EXTRA_ROLE.to_owned(),
        9 => "clinician".to_owned(),
        10 => " Clinician ".to_owned(),
        _ => pick(rng, &["Wizard", "", "Clinic\u{200b}ian"]).to_owned(),
    }
}

fn task(rng: &mut Rng, seed: u64, users: &[User]) -> BTreeMap<&'static str, String> {
    let mut task = BTreeMap::new();
    // Every action occurs, those that do more more often.
    let actions = [
        "create-superadmin",
        "update-permissions",
        "add-role",
        "remove-role",
        "create-superadmin",
        "show-user",
        "remove-role",
        "add-role",
        "create-superadmin",
        "update-permissions",
        "add-role",
        "remove-role",
        "create-superadmin",
        "update-permissions",
        "show-user",
        "check",
    ];
    let action = actions[usize::try_from(seed % actions.len() as u64).unwrap_or_default()];
    task.insert("ADMIN_ACTION", action.to_owned());
    if action != "check" {
        task.insert("ADMIN_USERNAME", username(rng, users));
    }
    match action {
        "create-superadmin" => {
            task.insert("ADMIN_EMAIL", email(rng, users));
            if one_in(rng, 20) {
                task.insert("ADMIN_PASSWORD", "correct horse battery staple 7".to_owned());
            } else {
                let hash = pick(rng, &[HASHES[0].0, HASHES[1].0, HASHES[2].0]);
                let hash = if one_in(rng, 12) { hash.replace("p=4", "p=1") } else { hash.to_owned() };
                task.insert("ADMIN_PASSWORD_HASH", hash);
            }
        }
        "update-permissions" => {
            let level = if one_in(rng, 6) {
                pick(rng, &["Admin", "owner", ""])
            } else {
                pick(rng, &["patient", "staff", "admin", "superadmin"])
            };
            task.insert("ADMIN_PERMISSION", level.to_owned());
        }
        "add-role" | "remove-role" => {
            let own = users.iter().find(|user| user.username == task["ADMIN_USERNAME"]);
            let own = own.and_then(|user| user.roles.first()).filter(|_| !one_in(rng, 3));
            let role = own.cloned().unwrap_or_else(|| role(rng));
            task.insert("ADMIN_ROLE", role);
        }
        _ => {}
    }
    if one_in(rng, 3) {
        task.insert("ADMIN_ACTOR", "ann@example.org".to_owned());
        task.insert("ADMIN_REASON", "ticket 42: „grüße“".to_owned());
    }
    task
}

/// The rows of the three tables, each as JSON with its columns' names, in a fixed order. Hashes are replaced
/// by their names.
#[must_use]
pub fn rows(db: &Database) -> Vec<String> {
    db.rows(
        "SELECT 'users ' || row_to_json(users)::text FROM users \
         UNION ALL SELECT 'roles ' || row_to_json(roles)::text FROM roles \
         UNION ALL SELECT 'user_role ' || row_to_json(user_role)::text FROM user_role ORDER BY 1",
    )
    .into_iter()
    .flatten()
    .flatten()
    .map(|row| name_hashes(&row))
    .collect()
}

/// The differences between the rows before and after: `- row` was removed, `+ row` is new.
#[must_use]
pub fn changed(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|row| !after.contains(row)).map(|row| format!("- {row}"));
    let new = after.iter().filter(|row| !before.contains(row)).map(|row| format!("+ {row}"));
    gone.chain(new).collect()
}

/// A text in which the cases' hashes are replaced by their names, and every other hash of the application's
/// form, whose salt is new each time, by `<new hash>`.
#[must_use]
pub fn name_hashes(text: &str) -> String {
    let mut text = text.to_owned();
    for (hash, name) in HASHES {
        text = text.replace(hash, name);
    }
    while let Some(start) = text.find(HASH_START) {
        let Some(hash) = text.get(start..start + HASH_LENGTH).map(str::to_owned) else { break };
        text = text.replace(&hash, "<new hash>");
    }
    text
}

/// The result of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The case's number.
    pub seed: u64,
    /// The tables' generation.
    pub tables: String,
    /// The request. It is redundant, and helps readers of the file.
    pub task: BTreeMap<String, String>,
    /// The exit code.
    pub exit: Option<i32>,
    /// The message.
    pub message: String,
    /// The record, without the parts that differ from run to run.
    pub record: Value,
    /// The rows that differ afterwards.
    pub rows: Vec<String>,
}

impl Observation {
    /// An observation of a case, with hashes replaced by their names.
    #[must_use]
    pub fn new(case: &Case, exit: Option<i32>, message: &str, record: &Value, rows: Vec<String>) -> Self {
        let task = case.task.iter().map(|(name, value)| ((*name).to_owned(), name_hashes(value))).collect();
        let record = serde_json::from_str(&name_hashes(&record.to_string())).expect("JSON stays JSON");
        let tables = format!("{:?}", case.generation);
        Self { seed: case.seed, tables, task, exit, message: name_hashes(message), record, rows }
    }
}

/// Observations that are checked in: a file of JSON lines, one for each case.
#[derive(Debug)]
pub struct Golden {
    path: PathBuf,
}

impl Golden {
    /// The golden file at this path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Compares these observations with those of the file; with [`REWRITE`] set, writes the file instead.
    #[track_caller]
    pub fn compare(&self, seen: &[Observation]) {
        let mut text = String::new();
        for observation in seen {
            text.push_str(&serde_json::to_string(observation).expect("an observation is JSON"));
            text.push('\n');
        }
        if env::var_os(REWRITE).is_some() {
            fs::write(&self.path, text).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
            return;
        }
        let known = self.read();
        let again =
            format!("if that is meant, run this test again with {REWRITE}=1, and read the difference");
        let mut differences = Vec::new();
        for observation in seen {
            let same =
                |known: &&Observation| known.seed == observation.seed && known.tables == observation.tables;
            match known.iter().find(same) {
                Some(then) if then == observation => {}
                Some(then) => differences.push(format!("now  {observation:#?}\nthen {then:#?}")),
                None => differences.push(format!("new  {observation:#?}")),
            }
        }
        assert!(
            differences.is_empty(),
            "{} of {} cases of {} came out differently; {again}\n{}",
            differences.len(),
            seen.len(),
            self.path.display(),
            differences.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n"),
        );
        assert_eq!(known.len(), seen.len(), "{} has cases that were not run; {again}", self.path.display());
    }

    /// The observations of the file.
    #[must_use]
    pub fn read(&self) -> Vec<Observation> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        text.lines().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, HASHES, changed, name_hashes};
    use crate::postgres::Generation;

    #[test]
    fn a_seed_makes_the_same_case_on_both_generations() {
        for seed in 0..50 {
            let [one, other] = Generation::ALL.map(|generation| Case::of(seed, generation));
            assert_eq!((&one.roles, &one.users, &one.task), (&other.roles, &other.users, &other.task));
        }
    }

    #[test]
    fn hashes_are_named_and_differences_told() {
        let new = HASHES[0].0.replace("c29t", "AAAA");
        assert_eq!(name_hashes(&format!("a {} b {new} c", HASHES[1].0)), "a <hash 2> b <new hash> c");
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        assert_eq!(changed(&rows(&["a", "b"]), &rows(&["b", "c"])), ["- a", "+ c"]);
    }
}
