//! `--preview`, `--expect`, and environments in which every change is previewed first.

use insta::assert_snapshot;
use quill_admin_contract::image::annotation;
use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::home::{Output, Run};
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};

use crate::running::change_job;
use crate::signed::{PROMOTE, insert_steve};

const PASSWORD: &str = "correct horse battery staple 7";

/// A world with the user steve, of the level staff. `settings` are more of staging's.
fn world(settings: &str) -> World {
    with_steve(World::with_database(Database::create(Generation::August2026)), settings)
}

fn with_steve(world: World, settings: &str) -> World {
    insert_steve(&world);
    let file = world.home.read("environments.yaml");
    world.home.write(
        "environments.yaml",
        &file.replace("staging: { project", &format!("staging: {{ {settings} project")),
    );
    speaks(&world, "1-4");
    world
}

/// Has the image of the job speak these versions of the contract.
fn speaks(world: &World, versions: &str) {
    change_job(world, |job| job["annotations"][annotation::CONTRACTS] = json!(versions));
}

fn promote(world: &World, more: &[&str]) -> Run {
    world.quill_admin(PROMOTE.into_iter().chain(more.iter().copied()))
}

fn level(world: &World) -> String {
    world.database().value("SELECT system_permissions FROM users WHERE username = 'steve'").expect("steve")
}

/// The plan that a preview has printed.
fn plan(output: &Output) -> String {
    let line = output.stdout.lines().find_map(|line| line.strip_prefix("  plan "));
    line.unwrap_or_else(|| panic!("no plan: {output}")).to_owned()
}

/// The variables of all runs that were started, in their order.
fn runs(world: &World) -> Vec<Value> {
    let calls = world.emulator.calls();
    let runs = calls.iter().filter(|call| call.path.ends_with(":run"));
    let variables = |body: &Value| {
        let list = body["overrides"]["containerOverrides"][0]["env"].as_array().cloned().unwrap_or_default();
        list.into_iter()
            .map(|one| (one["name"].as_str().expect("a name").to_owned(), one["value"].clone()))
            .collect()
    };
    runs.map(|call| variables(&call.body)).collect()
}

#[test]
fn a_preview_shows_what_would_change_and_changes_nothing() {
    let world = world("");
    let told = promote(&world, &["--preview"]).output().exits(0);
    assert_eq!(level(&world), "staff");
    let shown = told.stdout.replace(&plan(&told), "PLAN");
    let shown = shown.replace(|c: char| c.is_ascii_digit(), "N");
    assert_snapshot!(shown, @r"
    ✔ previewed: would update steve in staging; nothing was changed (N.N s)

      user             steve
      email            s@example.org
      permission level admin
      base profession  nurse
      roles            none
      active           yes
      one-time codes   no
      email verified   yes

      would change:
        permission level staff → admin

      plan PLAN
      (to run exactly this: --expect and this plan in place of --preview)
    ");
    assert!(told.stderr.contains("  first            a preview, which changes nothing\n"), "{told}");

    let ran = promote(&world, &["--expect", &plan(&told)]).output().exits(0);
    assert!(ran.stdout.contains("permission level staff → admin"), "{ran}");
    assert_eq!(level(&world), "admin");
    let runs = runs(&world);
    assert_eq!((&runs[0]["ADMIN_MODE"], &runs[0]["ADMIN_EXPECT"]), (&json!("preview"), &json!(null)));
    assert_eq!((&runs[1]["ADMIN_MODE"], &runs[1]["ADMIN_EXPECT"]), (&json!(null), &json!(plan(&told))));
    assert_eq!(runs.len(), 2);

    // It is on record as a preview.
    let history = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    assert!(history.stdout.contains("  previewed  update-permissions steve"), "{history}");
    assert!(history.stdout.contains("  updated  update-permissions steve"), "{history}");
    let history = world.quill_admin(["history", "-e", "staging", "--json"]).output().exits(0).json();
    assert_eq!((&history["runs"][1]["preview"], &history["runs"][1]["proven"]), (&json!(true), &json!(true)));
    assert_eq!(history["runs"][0]["preview"], false);
    let execution = history["runs"][1]["execution"].as_str().expect("an id");
    let attached = world.quill_admin(["attach", "-e", "staging", execution]).output().exits(0);
    assert!(attached.stdout.contains("previewed: would update steve"), "{attached}");
}

#[test]
fn what_was_changed_since_the_preview_is_not_run_over() {
    let world = world("");
    let told = promote(&world, &["--preview", "--json"]).output().exits(0).json();
    let outcome = &told["result"]["outcome"];
    assert_eq!((&outcome["result"], &outcome["would"]), (&json!("previewed"), &json!("updated")));
    let plan = outcome["plan"].as_str().expect("a plan");
    world.database().execute("UPDATE users SET is_active = false");
    let refused = promote(&world, &["--expect", plan]).output().exits(19);
    assert!(refused.stderr.contains("has been changed since"), "{refused}");
    assert!(refused.stderr.contains("the same command with --preview, and without --expect"), "{refused}");
    assert_eq!(level(&world), "staff");
    // A plan that is none is refused before anything is sent.
    let before = world.emulator.calls().len();
    let refused = promote(&world, &["--expect", &plan[1..]]).output().exits(2);
    assert!(refused.stderr.contains("--expect: the plan must be the 64 hexadecimal digits"), "{refused}");
    assert_eq!(world.emulator.calls().len(), before);
}

#[test]
fn at_a_terminal_a_preview_can_be_gone_on_with() {
    let world = world("");
    let mut terminal = promote(&world, &["--preview"]).terminal();
    terminal
        .expect("would change:")
        .expect("staff → admin")
        .expect("Run exactly this now? [y/N]")
        .type_line("");
    let ended = terminal.wait();
    assert_eq!((ended.code(), level(&world).as_str()), (0, "staff"), "{}", ended.text());
    let mut terminal = promote(&world, &["--preview"]).terminal();
    terminal.expect("Run exactly this now? [y/N]").ctrl_c();
    let ended = terminal.wait();
    assert_eq!((ended.code(), level(&world).as_str()), (130, "staff"), "{}", ended.text());
    assert!(ended.text().contains("it was only previewed: nothing was changed"), "{}", ended.text());

    let mut terminal = promote(&world, &["--preview"]).terminal();
    terminal.expect("Run exactly this now? [y/N]").type_line("y");
    terminal.expect("updated steve in staging");
    let ended = terminal.wait();
    assert_eq!((ended.code(), level(&world).as_str()), (0, "admin"), "{}", ended.text());

    // There is nothing to go on with where nothing would change.
    let ended = promote(&world, &["--preview"]).terminal().wait();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.text().contains("previewed: nothing to change for steve"), "{}", ended.text());
}

/// Whoever asked about the running preview with Ctrl-C is asked about the run when the preview has ended.
#[test]
fn ctrl_c_at_a_preview_that_ends_meanwhile_takes_no_answer_away() {
    let slow = "sleep 2; exec \"$1\"";
    let world =
        with_steve(World::with_database_and_script(Database::create(Generation::August2026), slow), "");
    let mut terminal = promote(&world, &["--preview"]).terminal();
    terminal.expect("execution quill-tasks-staging-");
    terminal.ctrl_c();
    terminal.expect("[w/d/c]").expect("would change:");
    terminal.expect("Run exactly this now? [y/N]").type_line("y");
    terminal.expect("updated steve in staging");
    assert_eq!((terminal.wait().code(), level(&world).as_str()), (0, "admin"));
}

/// Somebody else changes the row while the question is shown.
#[test]
fn what_was_agreed_to_is_what_is_run() {
    let world = world("");
    let mut terminal = promote(&world, &["--preview"]).terminal();
    terminal.expect("Run exactly this now? [y/N]");
    world.database().execute("UPDATE users SET system_permissions = 'superadmin'");
    terminal.type_line("y");
    let ended = terminal.wait();
    assert_eq!((ended.code(), level(&world).as_str()), (19, "superadmin"), "{}", ended.text());

    // The job was given another image meanwhile.
    let mut terminal = promote(&world, &["--preview"]).terminal();
    terminal.expect("Run exactly this now? [y/N]");
    change_job(&world, |job| job["template"]["template"]["timeout"] = json!("77s"));
    terminal.type_line("y");
    let ended = terminal.wait();
    assert_eq!((ended.code(), level(&world).as_str()), (23, "superadmin"), "{}", ended.text());
    assert!(ended.text().contains("somebody changed the job"), "{}", ended.text());
}

#[test]
fn where_previews_are_required_a_change_is_previewed_shown_and_asked_about() {
    let world = world("preview: required,");
    // Everything is given, and it is asked about all the same.
    let mut terminal = promote(&world, &[]).terminal();
    terminal.expect("would change:").expect("staff → admin").expect("Run exactly this? [y/N]").type_line("n");
    let ended = terminal.wait();
    assert_eq!((ended.code(), level(&world).as_str()), (130, "staff"), "{}", ended.text());
    assert!(
        ended.text().contains("not confirmed; it was only previewed: nothing was changed"),
        "{}",
        ended.text()
    );
    let mut terminal = promote(&world, &[]).terminal();
    terminal.expect("Run exactly this? [y/N]").type_line("y");
    terminal.expect("updated steve in staging");
    assert_eq!((terminal.wait().code(), level(&world).as_str()), (0, "admin"));

    // Without a person, somebody has to have said that it is wanted; nothing is sent before.
    let before = world.emulator.calls().len();
    let down = |more: &[&str]| {
        let args =
            ["up", "-e", "staging", "-u", "steve", "-p", "staff"].into_iter().chain(more.iter().copied());
        world.quill_admin(args).output()
    };
    let refused = down(&[]).exits(28);
    assert!(refused.stderr.contains("in environment \"staging\" a change is previewed first"), "{refused}");
    assert!(refused.stderr.contains("--expect PLAN"), "{refused}");
    assert_eq!(world.emulator.calls().len(), before);
    let ran = down(&["--yes", "--json"]).exits(0).json();
    assert_eq!(ran["preview"]["outcome"]["result"], "previewed", "{ran:#}");
    assert_eq!(ran["result"]["outcome"]["result"], "updated");
    assert_eq!(level(&world), "staff");
    // What was previewed before is not previewed again.
    let started = world.runs();
    let told = promote(&world, &["--preview"]).output().exits(0);
    let _ = promote(&world, &["--expect", &plan(&told)]).output().exits(0);
    assert_eq!((world.runs() - started, level(&world).as_str()), (2, "admin"));
    // Reading needs none.
    let _ = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).output().exits(0);
    assert_eq!(world.runs() - started, 3);
}

#[test]
fn a_protected_environment_wants_name_and_reason_after_its_preview() {
    let world = world("protected: true, preview: required,");
    let mut terminal = promote(&world, &[]).terminal();
    terminal.expect("would change:").expect("Reason").type_line("ticket 4711");
    terminal.expect("Type \"staging\" to go on").type_line("staging");
    terminal.expect("updated steve in staging");
    assert_eq!((terminal.wait().code(), level(&world).as_str()), (0, "admin"));
    let runs = runs(&world);
    assert_eq!((runs.len(), &runs[1]["ADMIN_REASON"]), (2, &json!("ticket 4711")));
    // The name that was given beforehand agrees to no preview that nobody has seen yet.
    let down = ["up", "-e", "staging", "-u", "steve", "-p", "staff", "--reason", "r", "--confirm", "staging"];
    let mut terminal = world.quill_admin(down).terminal();
    terminal.expect("would change:").expect("Run exactly this? [y/N]").type_line("n");
    assert_eq!((terminal.wait().code(), level(&world).as_str()), (130, "admin"));
    // Only to look needs neither.
    let args = ["up", "-e", "staging", "-u", "steve", "-p", "staff", "--preview"];
    let told = world.quill_admin(args).output().exits(0);
    assert!(told.stdout.contains("admin → staff"), "{told}");
}

/// The password is asked for and hashed once, and the same hash is sent twice.
#[test]
fn a_password_is_hashed_once_for_both() {
    let world = world("preview: required,");
    let args = ["set-password", "-e", "staging", "-u", "steve", "--password-stdin", "--yes"];
    let _ = world.quill_admin(args).stdin(PASSWORD).output().exits(0);
    let runs = runs(&world);
    assert_eq!(runs.len(), 2);
    assert!(runs[0]["ADMIN_PASSWORD_HASH"].as_str().is_some_and(|hash| hash.starts_with("$argon2id$")));
    assert_eq!(runs[0]["ADMIN_PASSWORD_HASH"], runs[1]["ADMIN_PASSWORD_HASH"]);
    assert_ne!(runs[0]["ADMIN_REQUEST_ID"], runs[1]["ADMIN_REQUEST_ID"]);
    assert_ne!(runs[0]["ADMIN_PROOF_KEY"], runs[1]["ADMIN_PROOF_KEY"]);
    // One that was made is shown when it was set, and not after the preview.
    let made = ["set-password", "-e", "staging", "-u", "steve", "--generate-password"];
    let told = world.quill_admin(made.into_iter().chain(["--preview"])).output().exits(0);
    assert!(!told.stdout.contains("made here"), "{told}");
    let set = world.quill_admin(made.into_iter().chain(["--yes"])).output().exits(0);
    assert_eq!(set.stdout.matches("made here and shown only now").count(), 1, "{set}");
}

#[test]
fn an_image_without_previews_is_not_sent_one() {
    let world = world("preview: required,");
    speaks(&world, "1-3");
    for more in [&["--yes"][..], &["--preview"], &["--expect", &"0".repeat(64)]] {
        let refused = promote(&world, more).output().exits(17);
        assert!(refused.stderr.contains("the job's image knows neither previews nor undoing"), "{refused}");
        assert!(refused.stderr.contains("quill-admin build --env staging"), "{refused}");
    }
    assert_eq!((world.runs(), level(&world).as_str()), (0, "staff"));
}

#[test]
fn what_cannot_be_previewed_says_so() {
    let world = world("");
    let refused =
        world.quill_admin(["show-user", "-e", "staging", "-u", "steve", "--preview"]).output().exits(2);
    assert!(refused.stderr.contains("show-user cannot be previewed: it only reads"), "{refused}");
    let refused = world.quill_admin(["run-migrations", "-e", "staging", "--preview"]).output().exits(2);
    assert!(
        refused.stderr.contains("run-migrations cannot be previewed: it runs in a job of the application"),
        "{refused}"
    );
    let refused = promote(&world, &["--preview", "--yes"]).output().exits(2);
    assert!(refused.stderr.contains("cannot be used with"), "{refused}");
}
