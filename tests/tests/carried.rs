//! `build` with the executor that a released program carries: nothing is compiled, no engine is used, and any
//! folder will do.

use std::fs;
use std::path::Path;
use std::process::Command;

use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::{Finished as _, JOB, PROJECT};
use quill_admin_testkit::docker::{docker_command, run};
use quill_admin_testkit::healthy::{SECRET, Target};
use quill_admin_testkit::home::Run;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_carrying, needs_docker, needs_postgres, needs_registry};
use serde_json::{Value, json};

use crate::actions::shipped;

/// An address at which nothing listens, so that every use of an engine fails.
const NO_ENGINE: &str = "tcp://127.0.0.1:9";

/// A command of the program that carries an executor, with no engine and no other program to be found.
fn quill_admin<'a>(builds: &BuildFixture, carrying: &Path, args: impl IntoIterator<Item = &'a str>) -> Run {
    alone(builds.quill_admin(args).program(carrying))
}

fn alone(run: Run) -> Run {
    run.env("DOCKER_HOST", NO_ENGINE).env("PATH", "")
}

fn build(builds: &BuildFixture, carrying: &Path, more: &[&str]) -> Run {
    quill_admin(builds, carrying, ["build", "--env", "staging"].into_iter().chain(more.iter().copied()))
}

fn digest(image: &str) -> &str {
    image.split_once('@').expect("it is pinned").1
}

/// Writes the shipped actions with another name for one of them.
fn other_actions(builds: &BuildFixture, folder: &str) {
    let actions = shipped("actions.yaml").replace("verify-email", "prove-email");
    assert!(actions.contains("\n  prove-email:"), "{actions}");
    builds.world.home.write(format!("{folder}/actions.yaml"), &actions);
}

/// Makes the settings name a folder, as a file does that came with that folder.
fn name_application(builds: &BuildFixture, folder: &str) {
    let home = &builds.world.home;
    home.write("environments.yaml", &format!("application: {folder}\n{}", home.read("environments.yaml")));
}

#[test]
fn of_a_folder_with_nothing_but_settings_an_image_is_put_together_that_runs() {
    needs_docker!();
    needs_postgres!();
    needs_registry!();
    let carrying = needs_carrying!();
    let builds = BuildFixture::with_containers();
    let (world, home) = (&builds.world, &builds.world.home);
    let database = Database::create(Generation::August2026);
    world.emulator.put_secret(PROJECT, SECRET, database.password.clone());
    let file = home.read("environments.yaml");
    let name = format!("name: {}", database.name);
    let user = format!("user: {},", database.user);
    home.write("environments.yaml", &file.replace("name: quill_core", &name).replace("user: quill,", &user));
    let around: Vec<_> =
        fs::read_dir(home.work()).expect("a folder").flatten().map(|one| one.file_name()).collect();
    assert_eq!(around, ["environments.yaml"]);

    let plan = build(&builds, carrying, &["--dry-run", "--json"]).output().exits(0).json();
    let first = build(&builds, carrying, &[]).output().exits(0);
    assert!(first.stdout.starts_with("✔ built, pushed and deployed"), "{first}");
    let deployed = builds.deployed().expect("the job was created");
    assert_eq!(plan["carried"]["image_digest"], digest(&deployed));
    let again = build(&builds, carrying, &["--carried"]).output().exits(0);
    assert!(again.stdout.starts_with("✔ nothing to do"), "{again}");

    // The job's annotations list its actions, as after any build.
    let listed =
        quill_admin(&builds, carrying, ["actions", "-e", "staging", "--json"]).output().exits(0).json();
    assert_eq!(listed["only_deployed"], json!([]));
    for action in listed["actions"].as_array().expect("a list") {
        assert_eq!(action["deployed"], "same", "{action}");
    }

    let mut job = world.job().expect("it was created");
    let ca = fs::read_to_string(database.ca_file()).expect("the authority's certificate");
    Target { tls: "verify-ca", cas: vec![ca], ..Target::of(&database) }.put_into(&mut job);
    world.emulator.put_job(JOB, job).expect("a valid job");
    let args =
        ["create-superadmin", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--password-stdin"];
    let _ = quill_admin(&builds, carrying, args).stdin("correct horse battery staple 7").output().exits(0);
    assert_eq!(
        database.rows("SELECT username, system_permissions FROM users"),
        [[Some("steve".to_owned()), Some("superadmin".to_owned())]]
    );

    // The image has the configuration that an engine would make from the Dockerfile.
    let _ = run(docker_command().args(["pull", "--quiet", &deployed]));
    let config = run(docker_command().args(["image", "inspect", "--format", "{{json .Config}}", &deployed]));
    let config: Value = serde_json::from_str(&config).expect("JSON");
    assert_eq!(config["User"], "10001:10001");
    assert_eq!(config["Entrypoint"], json!(["/quill-admin-executor"]));
    let said = docker_command().args(["run", "--rm", &deployed]).output().expect("docker runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("ADMIN_ACTION environment variable is required"), "{said}");
}

#[test]
fn two_people_in_two_folders_make_the_same_image() {
    needs_registry!();
    let carrying = needs_carrying!();
    let (one, two) = (BuildFixture::new(), BuildFixture::new());
    let both = |args: &[&str]| {
        [&one, &two].map(|builds| {
            let _ = build(builds, carrying, args).output().exits(0);
            let deployed = builds.deployed().expect("the job is there");
            digest(&deployed).to_owned()
        })
    };
    let [first, second] = both(&[]);
    assert_eq!(first, second);
    for (builds, folder) in [(&one, "mine"), (&two, "another/place")] {
        other_actions(builds, folder);
        name_application(builds, folder);
    }
    let [third, fourth] = both(&["--overwrite"]);
    assert_eq!(third, fourth);
    assert_ne!(first, third);
}

#[test]
fn other_actions_are_another_last_layer_and_what_they_take_away_is_asked_about() {
    needs_registry!();
    let carrying = needs_carrying!();
    let builds = BuildFixture::new();
    let all = build(&builds, carrying, &["--json"]).output().exits(0).json();
    let deployed = builds.deployed().expect("the job was created");
    other_actions(&builds, "other");
    let uploads = builds.uploads().len();
    let other = ["--application", "other"];

    let refused = build(&builds, carrying, &other).output().exits(28);
    assert!(refused.stderr.contains("added: prove-email"), "{refused}");
    assert!(refused.stderr.contains("these actions are taken away: verify-email"), "{refused}");
    let mut terminal = build(&builds, carrying, &other).terminal();
    terminal.expect("verify-email").expect("Replace the image all the same?").type_line("n");
    assert_ne!(terminal.wait().code(), 0);
    assert_eq!(builds.uploads().len(), uploads, "nothing was pushed");
    assert_eq!(builds.deployed().as_ref(), Some(&deployed));

    let built = build(&builds, carrying, &[&other[..], &["--overwrite", "--json"]].concat());
    let built = built.output().exits(0).json();
    let replaced = builds.deployed().expect("it is there");
    assert_ne!(replaced, deployed);
    let size = |built: &Value| built["uploaded_bytes"].as_u64().expect("a size");
    assert!(size(&all) > 1_000_000, "{all}");
    assert!(0 < size(&built) && size(&built) < 100_000, "the actions alone: {built}");

    // Before a task is started it is known that the image does not have the action any more, and how to add
    // it.
    let refused =
        quill_admin(&builds, carrying, ["verify-email", "-e", "staging", "-u", "steve"]).output().exits(17);
    assert!(refused.stderr.contains("the image has no verify-email"), "{refused}");
    let (once, twice) = ("write: UPDATE users SET email_verified", "write: UPDATE  users SET email_verified");
    let third = shipped("actions.yaml").replace(once, twice);
    builds.world.home.write("third/actions.yaml", &third.replace("verify-email", "prove-email"));
    let task = ["prove-email", "-e", "staging", "-u", "steve", "--application", "third"];
    let refused = quill_admin(&builds, carrying, task).output().exits(17);
    let folder = builds.world.home.work().join("third").display().to_string();
    assert!(
        refused.stderr.contains(&format!("the image has another prove-email than {folder}")),
        "{refused}"
    );
    assert_eq!(builds.world.runs(), 0);
}

/// A folder of actions in a repository has a revision, and so it is known which of two images is newer.
#[test]
fn actions_of_a_repository_follow_each_other_and_older_ones_are_asked_about() {
    needs_registry!();
    let carrying = needs_carrying!();
    let builds = BuildFixture::new();
    builds.sources();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let with_git = |args: &[&str]| {
        let run = quill_admin(&builds, carrying, args.iter().copied()).env("PATH", &path);
        run.args(["--application", "sources/mine"])
    };
    let write = |actions: &str| {
        builds.world.home.write("sources/mine/actions.yaml", actions);
        builds.commit();
        builds.git(&["rev-parse", "HEAD"])
    };
    let deploy = ["build", "--env", "staging"];
    let first = write(&shipped("actions.yaml"));
    let planned = with_git(&[&deploy[..], &["--dry-run", "--json"]].concat()).output().exits(0).json();
    assert_eq!(planned["revision"], first.as_str());
    let _ = with_git(&deploy).output().exits(0);

    let _ = write(
        &shipped("actions.yaml")
            .replace("UPDATE users SET email_verified", "UPDATE  users SET email_verified"),
    );
    let refused = with_git(&["verify-email", "-e", "staging", "-u", "steve"]).output().exits(17);
    let folder = builds.world.home.work().join("sources/mine").display().to_string();
    let next = format!("deploy yours with: quill-admin build --env staging --application {folder} --carried");
    assert!(refused.stderr.contains(&next), "{refused}");
    let newer = with_git(&deploy).output().exits(0);
    assert!(newer.stderr.contains("changed: verify-email"), "{newer}");

    let _ = builds.git(&["checkout", "--quiet", &first]);
    let older = with_git(&deploy).output().exits(28);
    assert!(older.stderr.contains("the image is newer than these sources"), "{older}");
    assert_eq!(builds.world.runs(), 0);
}

/// A folder from elsewhere brings its settings and its actions with it.
#[test]
fn no_image_is_made_of_actions_that_nobody_has_confirmed() {
    needs_registry!();
    let carrying = needs_carrying!();
    let builds = BuildFixture::new();
    let (world, home) = (&builds.world, &builds.world.home);
    other_actions(&builds, "theirs");
    name_application(&builds, "theirs");
    let folder = home.work().join("theirs").display().to_string();
    // The command line is not that of the world, which confirms whatever is in the file.
    let build = |more: &[&str]| {
        let args = ["build", "--env", "staging"].into_iter().chain(more.iter().copied());
        alone(home.quill_admin(args).program(carrying))
    };
    let untouched = || {
        assert!(
            world.emulator.calls().is_empty() && builds.proxy.requests().is_empty(),
            "something was sent"
        );
    };
    for more in [&[][..], &["--carried"], &["--dry-run"], &["--carried", "--overwrite"]] {
        let refused = build(more).output().exits(28);
        assert!(refused.stderr.contains(&format!("the application's folder {folder}")), "{refused}");
        assert!(refused.stderr.contains("the image would have these actions of "), "{refused}");
        assert!(refused.stderr.contains("prove-email"), "{refused}");
        assert!(
            refused.stderr.contains("nobody has confirmed that on this machine; nothing was sent"),
            "{refused}"
        );
        assert!(
            refused.stderr.contains("confirm it once: quill-admin envs --trust --env staging"),
            "{refused}"
        );
        untouched();
    }
    let mut terminal = build(&[]).terminal();
    terminal.expect("prove-email").expect("[y/N]").type_line("n");
    assert_eq!(terminal.wait().code(), 28);
    untouched();
    let mut terminal = build(&[]).terminal();
    terminal.expect("[y/N]").type_line("y");
    assert_eq!(terminal.wait().code(), 0);
    let deployed = builds.deployed().expect("it is deployed");

    // After the confirmation there is no further question until the file changes.
    let again = build(&[]).output().exits(0);
    assert!(again.stdout.starts_with("✔ nothing to do"), "{again}");
    home.write("environments.yaml", &format!("# Another line.\n{}", home.read("environments.yaml")));
    let refused = build(&[]).output().exits(28);
    assert!(refused.stderr.contains("have changed since that was confirmed"), "{refused}");
    let calls = world.emulator.calls().len();
    let _ = build(&["--config", "environments.yaml"]).output().exits(0);
    assert!(world.emulator.calls().len() > calls, "who names the file has chosen it");

    // The doctor does not build it, either.
    let mut job = world.job().expect("there is one");
    job["annotations"] = json!({});
    world.emulator.put_job(JOB, job).expect("a valid job");
    let args = ["doctor", "-e", "staging", "--only", "job-image", "--fix", "--yes"];
    let fixed = alone(home.quill_admin(args).program(carrying)).output();
    assert_ne!(fixed.code(), 0, "{fixed}");
    let told = format!("{}{}", fixed.stdout, fixed.stderr);
    assert!(told.contains("nobody has confirmed on this machine"), "{fixed}");
    assert_eq!(builds.deployed(), Some(deployed));
}

#[test]
fn in_a_clone_it_is_compiled_unless_somebody_asks_for_what_is_carried() {
    needs_registry!();
    let carrying = needs_carrying!();
    let builds = BuildFixture::new();
    builds.sources();
    let sources = builds.world.home.work().join("sources");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = |more: &[&str]| build(&builds, carrying, more).cwd(&sources).env("PATH", &path);
    // There is no engine to compile in.
    let _ = here(&[]).output().exits(29);
    let _ = build(&builds, carrying, &["--from-source", "--source", "sources"])
        .env("PATH", &path)
        .output()
        .exits(29);
    assert_eq!(builds.deployed(), None);
    let _ = here(&["--carried"]).output().exits(0);
    assert!(builds.deployed().is_some());
    for compiler in [&["--from-source"][..], &["--source", "."], &["--no-cache"], &["--builder-image", "x:1"]]
    {
        let _ = here(&[&["--carried"], compiler].concat()).output().exits(2);
    }
}

#[test]
fn a_damaged_executor_goes_into_no_image() {
    needs_registry!();
    let carrying = needs_carrying!();
    let builds = BuildFixture::new();
    let version = quill_admin(&builds, carrying, ["--version"]).output().exits(0).stdout;
    let begins = version.split("carries executor ").nth(1).expect("it says so").get(..12).expect("digits");
    let mut program = fs::read(carrying).expect("the program");
    let is_digest =
        |bytes: &[u8]| bytes.starts_with(begins.as_bytes()) && bytes.iter().all(u8::is_ascii_hexdigit);
    let places: Vec<usize> =
        program.windows(64).enumerate().filter(|(_, bytes)| is_digest(bytes)).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "the digest is written in the program");
    // The damage is in the digest, after the digits that are shown, so that it looks the same.
    for at in places {
        let digit = &mut program[at + 63];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    let (bytes, damaged) = (builds.world.home.work().join("bytes"), builds.world.home.work().join("damaged"));
    fs::write(&bytes, program).expect("written");
    // Another program writes the file: this one starts child processes, which would keep a file open that is
    // written here.
    let _ = run(Command::new("install").args(["-m", "0755"]).args([&bytes, &damaged]));
    let refused = build(&builds, &damaged, &["--carried"]).output().exits(1);
    assert!(refused.stderr.contains("the executor that this program carries is damaged"), "{refused}");
    assert!(refused.stderr.contains("install quill-admin once more"), "{refused}");
    assert!(builds.uploads().is_empty() && builds.deployed().is_none());
}

#[test]
fn a_program_that_carries_nothing_says_so_and_what_to_do() {
    needs_registry!();
    let builds = BuildFixture::new();
    let build = |more: &[&str]| {
        let args = ["build", "--env", "staging"].into_iter().chain(more.iter().copied());
        builds.quill_admin(args).env("DOCKER_HOST", NO_ENGINE)
    };
    let version = builds.quill_admin(["--version"]).output().exits(0).stdout;
    assert!(!version.contains("carries"), "{version}");
    let refused = build(&["--carried"]).output().exits(2);
    assert!(refused.stderr.contains("this quill-admin carries no executor"), "{refused}");
    assert!(
        refused.stderr.contains("use a released quill-admin, or run this inside a clone of it"),
        "{refused}"
    );
    let refused = build(&[]).output().exits(2);
    assert!(refused.stderr.contains("not a git repository"), "{refused}");
    assert!(refused.stderr.contains("or use a released quill-admin"), "{refused}");
}
