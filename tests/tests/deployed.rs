//! Actions as part of the image: two people on two branches, and images that list their actions, or do not.

use std::path::PathBuf;
use std::process::Command;

use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::{Finished as _, JOB, World};
use quill_admin_testkit::docker::run;
use quill_admin_testkit::home::Output;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_docker, needs_postgres, needs_registry};
use serde_json::{Value, json};

use crate::actions::shipped;

const ACTIONS: &str = "admin.quill-medical.org/actions";
const COUNT_ROLES: &str = "\n  count-roles:\n    about: counts roles\n    read: true\n    rows: { sql: SELECT count(*) \
                           AS roles FROM roles, max: 1 }\n";
const ADD_ROLE: [&str; 7] = ["add-role", "-e", "staging", "-u", "steve", "-r", "Clinician"];

/// Changes annotations of the job.
fn note(world: &World, notes: &[(&str, &str)]) {
    let mut job = world.job().expect("there is a job");
    for (key, value) in notes {
        job["annotations"][format!("admin.quill-medical.org/{key}")] = json!(value);
    }
    world.emulator.put_job(JOB, job).expect("a valid job");
}

fn noted(world: &World) -> Value {
    let job = world.job().expect("there is a job");
    serde_json::from_str(job["annotations"][ACTIONS].as_str().expect("it is noted")).expect("JSON")
}

/// Two clones of one repository, one for each person.
struct TwoPeople {
    builds: BuildFixture,
}

impl TwoPeople {
    /// Makes a repository with the actions of this one; `theirs` is a clone of it.
    fn new() -> Self {
        let builds = BuildFixture::new();
        builds.sources();
        builds.world.home.write("sources/application/actions.yaml", &shipped("actions.yaml"));
        builds.commit();
        let two = Self { builds };
        two.git(".", &["clone", "--quiet", "sources", "theirs"]);
        two
    }

    fn folder(&self, clone: &str) -> PathBuf {
        self.builds.world.home.work().join(clone)
    }

    fn git(&self, clone: &str, args: &[&str]) -> String {
        let author = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"];
        let home = &self.builds.world.home;
        let mut git = Command::new("git");
        git.args(author).args(args).current_dir(self.folder(clone));
        run(git.env("HOME", home.path()).env("GIT_CONFIG_NOSYSTEM", "1")).trim().to_owned()
    }

    /// Edits the actions of a clone and commits that; returns the commit.
    fn edit(&self, clone: &str, edit: impl FnOnce(String) -> String) -> String {
        let file = format!("{clone}/application/actions.yaml");
        let home = &self.builds.world.home;
        let before = home.read(&file);
        let after = edit(before.clone());
        assert_ne!(before, after);
        home.write(&file, &after);
        self.git(clone, &["commit", "--quiet", "--all", "--message", "An action"]);
        self.git(clone, &["rev-parse", "--short=12", "HEAD"])
    }

    fn build(&self, clone: &str, args: &[&str]) -> quill_admin_testkit::home::Run {
        let build = ["build", "--env", "staging", "--source", clone];
        self.builds.quill_admin(build.into_iter().chain(args.iter().copied()))
    }

    /// A command with the actions of a clone.
    fn with(&self, clone: &str, args: &[&str]) -> Output {
        let application = format!("{clone}/application");
        self.builds.quill_admin(args.iter().copied()).args(["--application", &application]).output()
    }

    /// The job and the tags of the registry, to see whether a refused command has changed anything.
    fn state(&self) -> (Option<Value>, Vec<String>) {
        (self.builds.world.job(), self.builds.uploads())
    }
}

/// A change of SQL that does not change its meaning, and still makes another action: the statements are
/// compared as they are sent.
fn another_add_role(actions: &str) -> String {
    let at = actions.find("  add-role:").expect("there is one");
    let sql = at + actions[at..].find("INSERT INTO").expect("it inserts");
    format!("{}INSERT  INTO{}", &actions[..sql], &actions[sql + "INSERT INTO".len()..])
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story")]
fn two_people_on_two_branches_are_told_who_has_what_and_neither_overwrites_the_other() {
    needs_docker!();
    needs_registry!();
    let two = TwoPeople::new();
    let mine = two.edit("sources", |actions| format!("{actions}{COUNT_ROLES}"));
    let theirs = two.edit("theirs", |actions| another_add_role(&actions));
    let world = &two.builds.world;
    let first = two.build("sources", &[]).output().exits(0);
    assert!(!first.stderr.contains("  actions  "), "there was none before: {first}");
    let listed = two.with("sources", &["actions", "--json"]).exits(0).json();
    let own: Value = listed["actions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["name"].as_str().expect("a name").to_owned(), one["digest"].clone()))
        .collect();
    assert_eq!(noted(world), own, "the job says which actions its image has");

    // The other person runs an action that is the same, and one that is not.
    let _ = two.with("theirs", &["show-user", "-e", "staging", "-u", "steve", "--dry-run"]).exits(0);
    let refused = two.with("theirs", &ADD_ROLE).exits(17);
    let is_of = format!("another add-role than this quill-admin: the image is of revision {mine} of ");
    let yours = format!(", yours of revision {theirs} of ");
    let pull = format!("fetch it with: git -C {} pull", two.folder("theirs").display());
    for told in [is_of.as_str(), &yours, "; nothing was started", &pull] {
        assert!(refused.stderr.contains(told), "{told}: {refused}");
    }
    // That clone knows both commits now.
    two.git("theirs", &["fetch", "--quiet"]);
    let refused = two.with("theirs", &ADD_ROLE).exits(17);
    for told in [&mine, &theirs, "two people work on two branches", "talk to whoever deployed the image"] {
        assert!(refused.stderr.contains(told), "{told}: {refused}");
    }
    assert!(!refused.stderr.contains("quill-admin build"), "{refused}");
    assert_eq!(world.runs(), 1, "the dry run, which started nothing");
    assert!(world.emulator.executions(JOB).is_empty());

    let list = ["actions", "-e", "staging"];
    let listed = two.with("theirs", &list).exits(0);
    let row = |name: &str| {
        let line = listed.stdout.lines().find(|line| line.starts_with(&format!("{name} "))).expect("a row");
        line.split_whitespace().skip_while(|word| word.len() != 12).nth(1).expect("a column").to_owned()
    };
    assert_eq!((row("add-role"), row("remove-role")), ("another".to_owned(), "same".to_owned()), "{listed}");
    assert!(listed.stdout.contains("only the image of staging has: count-roles\n"), "{listed}");
    let json = two.with("theirs", &[&list[..], &["--json"]].concat()).exits(0).json();
    assert_eq!(json["only_deployed"], json!(["count-roles"]), "{json:#}");
    assert_eq!(json["image"]["revision"], two.git("sources", &["rev-parse", "HEAD"]), "{json:#}");

    let doctor = ["doctor", "-e", "staging", "--only", "job-image"];
    let seen = two.with("theirs", &doctor).exits(0);
    for told in ["the image has other actions than this quill-admin", "not the same: add-role", "count-roles"]
    {
        assert!(seen.stdout.contains(told), "{told}: {seen}");
    }

    // Their build would remove an action and the commits of my branch.
    let before = two.state();
    let plan = two.build("theirs", &["--dry-run"]).output().exits(0);
    for told in ["other than deployed", "changed: add-role", "removed: count-roles", "somebody else's branch"]
    {
        assert!(plan.stdout.contains(told), "{told}: {plan}");
    }
    let json = two.build("theirs", &["--dry-run", "--json"]).output().exits(0).json();
    let actions = &json["actions"];
    assert_eq!(
        (&actions["added"], &actions["changed"], &actions["removed"]),
        (&json!([]), &json!(["add-role"]), &json!(["count-roles"])),
        "{json:#}"
    );
    let refused = two.build("theirs", &[]).output().exits(28);
    for told in ["these actions are taken away: count-roles", &mine, "add: --overwrite"] {
        assert!(refused.stderr.contains(told), "{told}: {refused}");
    }
    for answer in ["n", ""] {
        let mut terminal = two.build("theirs", &[]).terminal();
        terminal.expect("Replace the image all the same?");
        terminal.type_line(answer);
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        assert!(ended.text().contains("nothing was built or deployed"), "{}", ended.text());
    }
    assert_eq!(two.state(), before, "neither overwrites the other unasked");

    // They merge both branches: nothing is lost any more, and there is no question.
    two.git("theirs", &["merge", "--quiet", "--no-edit", "origin/HEAD"]);
    let both = two.git("theirs", &["rev-parse", "--short=12", "HEAD"]);
    let refused = two.with("theirs", &ADD_ROLE).exits(17);
    assert!(
        refused.stderr.contains("deploy yours with: quill-admin build --env staging --source "),
        "{refused}"
    );
    let built = two.build("theirs", &[]).output().exits(0);
    assert!(built.stderr.contains("changed: add-role") && !built.stderr.contains("is lost"), "{built}");
    assert!(noted(world)["count-roles"].is_string());
    let _ = two.with("theirs", &[&ADD_ROLE[..], &["--dry-run"]].concat()).exits(0);

    // Now my clone is behind, and gets their commits by a pull.
    let refused = two.with("sources", &ADD_ROLE).exits(17);
    assert!(refused.stderr.contains(&both) && refused.stderr.contains(" pull"), "{refused}");
    let behind = two.build("sources", &[]).output().exits(28);
    assert!(behind.stderr.contains("which is not known in these sources"), "{behind}");
    two.git("sources", &["fetch", "--quiet", "../theirs"]);
    let behind = two.build("sources", &[]).output().exits(28);
    assert!(behind.stderr.contains("the image is newer than these sources"), "{behind}");
    let refused = two.with("sources", &ADD_ROLE).exits(17);
    assert!(refused.stderr.contains("the image is newer: take it over with: git -C "), "{refused}");
    // Going back is possible with an option.
    let back = two.build("sources", &["--overwrite"]).output().exits(0);
    assert!(back.stdout.starts_with("✔ deployed"), "{back}");
    let _ = two.with("sources", &[&ADD_ROLE[..], &["--dry-run"]].concat()).exits(0);
    two.git("sources", &["merge", "--quiet", "FETCH_HEAD"]);
    let forward = two.build("sources", &[]).output().exits(0);
    assert!(!forward.stderr.contains("is lost"), "{forward}");
    assert!(world.emulator.executions(JOB).is_empty(), "nothing was ever started");
}

#[test]
fn actions_with_mistakes_are_told_before_anything_is_built() {
    needs_docker!();
    needs_registry!();
    let two = TwoPeople::new();
    two.edit("sources", |actions| actions.replacen("    alias: ar", "    alais: ar", 1));
    let refused = two.build("sources", &[]).output().exits(2);
    let file = two.folder("sources/application/actions.yaml").display().to_string();
    assert!(refused.stderr.contains(&file) && refused.stderr.contains("alais"), "{refused}");
    assert_eq!(two.state(), (None, Vec::new()));
}

#[test]
fn a_plain_docker_build_says_nothing_of_its_actions() {
    needs_docker!();
    let home = quill_admin_testkit::home::Home::new();
    let recipe = shipped("../docker/Dockerfile");
    let labels = &recipe[recipe.find("ARG REVISION").expect("it has labels")..];
    home.write("Dockerfile", &format!("FROM scratch\nCOPY Dockerfile /\n{labels}"));
    let label = |args: &[&str]| {
        let tag = "127.0.0.1/quill-admin-test/plain:latest";
        run(Command::new("docker").args(["build", "--quiet", "--tag", tag]).args(args).arg(home.work()));
        let format = "{{index .Config.Labels \"org.quill-medical.admin.actions\"}}";
        let label = run(Command::new("docker").args(["image", "inspect", "--format", format, tag]));
        run(Command::new("docker").args(["image", "rm", tag]));
        label.trim().to_owned()
    };
    assert_eq!(label(&[]), "", "not known, which is not none");
    let noted = format!("{{\"add-role\":\"{}\"}}", "1".repeat(64));
    assert_eq!(label(&["--build-arg", &format!("ACTIONS={noted}")]), noted, "quotes stay as they are");
}

#[test]
fn the_same_digests_run_and_what_differs_is_refused_by_name() {
    needs_postgres!();
    let world = World::with_database(Database::create(Generation::August2026));
    let own = world.quill_admin(["actions", "--json"]).output().exits(0).json();
    let mut digests: serde_json::Map<String, Value> = own["actions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["name"].as_str().expect("a name").to_owned(), one["digest"].clone()))
        .collect();
    note(&world, &[("actions", &Value::Object(digests.clone()).to_string())]);
    let found = ["list-users", "-e", "staging"];
    let _ = world.quill_admin(found).output().exits(0);
    assert_eq!(world.runs(), 1);
    // Only the action that is run has to agree.
    digests.insert("add-role".to_owned(), json!("2".repeat(64)));
    digests.remove("remove-role");
    note(&world, &[("actions", &Value::Object(digests).to_string())]);
    let _ = world.quill_admin(found).output().exits(0);
    let _ = world.quill_admin(["check", "-e", "staging"]).output().exits(0);
    let another = world.quill_admin(ADD_ROLE).output().exits(17);
    assert!(another.stderr.contains("the image has another add-role than this quill-admin"), "{another}");
    let none = world.quill_admin(["remove-role"].iter().chain(&ADD_ROLE[1..]).copied()).output().exits(17);
    assert!(none.stderr.contains("the image has no remove-role, which this quill-admin has"), "{none}");
    let json = world.quill_admin(ADD_ROLE.into_iter().chain(["--json"])).output().exits(17).json();
    assert_eq!(json["exit_code"], 17, "{json:#}");
    assert_eq!(world.runs(), 3, "what was refused was not started");
    // If any image is allowed, the container decides.
    let any = world.quill_admin(ADD_ROLE.into_iter().chain(["--allow-unpinned"])).output();
    assert_ne!(any.code(), 17, "the container has the same after all: {any}");
    assert_eq!(world.runs(), 4);
}

/// Images of every age with this laptop: a run, and the output of `attach` and `history` for it. The executor
/// answers in the version that it is asked in, so it stands in for an image of that version.
#[test]
fn images_of_every_age_are_run_attached_to_and_remembered() {
    needs_postgres!();
    let world = World::with_database(Database::create(Generation::August2026));
    let args = ["cs", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--password-stdin"];
    let _ = world.quill_admin(args).stdin("correct horse battery staple 7").output().exits(0);
    for (contracts, answers) in [("", 1), ("1-1", 1), ("1-2", 2), ("1-3", 3), ("1-4", 4)] {
        note(&world, &[("contract", "1"), ("contracts", contracts), ("actions", "")]);
        // Six actions existed before actions were declared; nothing is known of an image that does not list
        // its actions.
        let before = world.runs();
        let activate = world.quill_admin(["activate", "-e", "staging", "-u", "steve"]).output();
        if answers >= 3 {
            let _ = activate.exits(0);
            assert_eq!(world.runs(), before + 1);
        } else {
            let refused = activate.exits(17);
            assert!(refused.stderr.contains("the image has no activate"), "{contracts}: {refused}");
            assert!(refused.stderr.contains("and has six"), "{refused}");
            assert_eq!(world.runs(), before);
        }

        let before = world.runs();
        let done = world.quill_admin(ADD_ROLE).output().exits(0);
        assert_eq!(done.stderr.contains("not provable: "), answers < 2, "{contracts}: {done}");
        assert_eq!(world.runs(), before + 1);
        let executions = world.emulator.executions(JOB);
        let newest = executions
            .iter()
            .max_by_key(|execution| execution["createTime"].as_str().map(str::to_owned))
            .expect("an execution");
        let env = newest["template"]["containers"][0]["env"].as_array().expect("a list");
        let sent = |name: &str| env.iter().find(|one| one["name"] == name).map(|one| one["value"].clone());
        assert_eq!(sent("ADMIN_CONTRACT"), Some(json!(answers.to_string())), "{contracts}");
        assert_eq!(sent("ADMIN_PROOF_KEY").is_some(), answers >= 2, "{contracts}");
        assert_eq!(sent("ADMIN_ACTION_DIGEST").is_some(), answers >= 3, "{contracts}");

        let result = if contracts.is_empty() { "updated" } else { "unchanged" };
        let id = newest["name"].as_str().expect("a name").rsplit('/').next().expect("an id");
        let attached = world.quill_admin(["attach", id, "--json"]).output().exits(0).json();
        assert_eq!(attached["result"]["contract"], answers, "{attached:#}");
        assert_eq!(attached["result"]["outcome"]["result"], result, "{contracts}: {attached:#}");
        assert_eq!(attached["proven"], answers >= 2, "{attached:#}");
        let history = world.quill_admin(["history", "-e", "staging", "--json"]).output().exits(0).json();
        let run = history["runs"].as_array().expect("a list").iter().find(|run| run["execution"] == id);
        let run = run.expect("it is remembered");
        assert_eq!((&run["action"], &run["outcome"]), (&json!("add-role"), &json!(result)), "{history:#}");

        // The image's actions are not known, and the list says so.
        let listed = world.quill_admin(["actions", "-e", "staging", "--json"]).output().exits(0).json();
        assert_eq!(listed["only_deployed"], Value::Null, "{listed:#}");
        let of = |name: &str| {
            let list = listed["actions"].as_array().expect("a list");
            list.iter().find(|one| one["name"] == name).expect("an action")["deployed"].clone()
        };
        let activate = if answers >= 3 { Value::Null } else { json!("none") };
        assert_eq!((of("add-role"), of("activate")), (Value::Null, activate), "{contracts}: {listed:#}");
    }
}
