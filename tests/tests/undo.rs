//! `undo`: what a run has changed is put back, if it is still as the run has left it.

use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::needs_postgres;
use serde_json::json;

use crate::believed::{STDOUT, forge, newest};
use crate::signed::{PROMOTE, forget, record, run, world};

fn level(world: &World) -> String {
    world.database().value("SELECT system_permissions FROM users WHERE username = 'steve'").expect("steve")
}

#[test]
fn a_change_is_undone_by_its_record() {
    needs_postgres!();
    let (world, _) = world();
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let execution = newest(&world);
    // The record is enough: Cloud Run has forgotten the execution.
    forget(&world, &execution);
    let look = world.quill_admin(["undo", &execution, "-e", "staging", "--preview"]).output().exits(0);
    assert!(look.stderr.contains(&format!("  undoes           {execution}\n")), "{look}");
    assert!(look.stderr.contains("  only if          permission level is admin\n"), "{look}");
    assert!(look.stdout.contains("permission level admin → staff"), "{look}");
    assert_eq!(level(&world), "admin");
    let undone = world.quill_admin(["undo", &execution, "-e", "staging"]).output().exits(0);
    assert!(undone.stdout.contains("permission level admin → staff"), "{undone}");
    assert_eq!(level(&world), "staff");
    // It is on record as an undo of that run.
    let undo = newest(&world);
    assert_eq!(run(&world, &undo)["undoes"], json!(execution));
    let shown = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    assert!(shown.stdout.contains(&format!("undo of {execution}")), "{shown}");
    // A second time there is nothing as it was left; the undo itself can be undone.
    let refused = world.quill_admin(["undo", &execution, "-e", "staging"]).output().exits(19);
    assert!(
        refused.stderr.contains("these are no longer true: permission level is admin (now staff)"),
        "{refused}"
    );
    let _ = world.quill_admin(["undo", &undo, "-e", "staging"]).output().exits(0);
    assert_eq!(level(&world), "admin");
}

#[test]
fn a_run_is_named_by_its_request_as_well() {
    needs_postgres!();
    let (world, _) = world();
    let ran = world.quill_admin(PROMOTE.into_iter().chain(["--json"])).output().exits(0).json();
    let request = ran["request_id"].as_str().expect("an id");
    let mut terminal = world.quill_admin(["undo", request, "-e", "staging", "--preview"]).terminal();
    terminal.expect("admin → staff").expect("Run exactly this now? [y/N]").type_line("y");
    terminal.expect("updated steve in staging");
    assert_eq!((terminal.wait().code(), level(&world).as_str()), (0, "staff"));
}

/// Nobody has typed what undoes it, so at a terminal the plan is agreed to.
#[test]
fn at_a_terminal_it_is_asked_about() {
    needs_postgres!();
    let (world, _) = world();
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let execution = newest(&world);
    let mut terminal = world.quill_admin(["undo", &execution]).terminal();
    terminal.expect("only if").expect("permission level is admin").expect("Run it? [y/N]").type_line("");
    assert_eq!((terminal.wait().code(), level(&world).as_str()), (130, "admin"));
    let mut terminal = world.quill_admin(["undo", &execution]).terminal();
    terminal.expect("Run it? [y/N]").type_line("y");
    assert_eq!((terminal.wait().code(), level(&world).as_str()), (0, "staff"));
}

/// A forged value before would be a way to raise somebody's rights.
#[test]
fn only_what_the_job_has_signed_is_undone() {
    needs_postgres!();
    let (world, _) = world();
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let execution = newest(&world);
    let signed = record(&world, &execution);
    let mut line: serde_json::Value =
        serde_json::from_str(signed["result"].as_str().expect("a text")).expect("JSON");
    line["undo"]["with"]["permission"] = json!("superadmin");
    forge(&world, STDOUT, "quill-tasks-staging-forge", &line);
    let refused = world.quill_admin(["undo", "quill-tasks-staging-forge", "-e", "staging"]).output().exits(2);
    assert!(refused.stderr.contains("is not signed, and only signed records are undone"), "{refused}");
    // Beside the signed record of the same run it counts for nothing, either.
    line["result"] = json!(line.to_string());
    line["signature"] = signed["signature"].clone();
    forge(&world, STDOUT, &execution, &line);
    let _ = world.quill_admin(["undo", &execution, "-e", "staging"]).output().exits(0);
    assert_eq!(level(&world), "staff");
}

#[test]
fn what_cannot_be_undone_says_what_to_do_instead() {
    needs_postgres!();
    let (world, _) = world();
    let undo = |world: &World, code: i32| {
        let execution = newest(world);
        world.quill_admin(["undo", &execution, "-e", "staging"]).output().exits(code).stderr
    };
    let set = ["set-password", "-e", "staging", "-u", "steve", "--password-stdin"];
    let _ = world.quill_admin(set).stdin("correct horse battery staple 7").output().exits(0);
    let said = undo(&world, 2);
    assert!(said.contains("no action undoes set-password: the password before is known to nobody"), "{said}");
    assert!(said.contains("use set-password again"), "{said}");
    let _ = world.quill_admin(["verify-email", "-e", "staging", "-u", "steve"]).output().exits(0);
    let said = undo(&world, 2);
    assert!(said.contains("there is nothing to undo: verify-email ended as \"unchanged\""), "{said}");
    let refused =
        world.quill_admin(["undo", "quill-tasks-staging-never", "-e", "staging"]).output().exits(22);
    assert!(
        refused.stderr.contains("have no execution and no request \"quill-tasks-staging-never\""),
        "{refused}"
    );
    // What was created is deactivated, and stays.
    let create = [
        "create-user",
        "-e",
        "staging",
        "-u",
        "new",
        "--email",
        "n@example.org",
        "-p",
        "staff",
        "--role",
        "Clinician",
        "--password-stdin",
    ];
    let _ = world.quill_admin(create).stdin("correct horse battery staple 7").output().exits(0);
    let _ = undo(&world, 0);
    let active = world.database().value("SELECT is_active::text FROM users WHERE username = 'new'");
    assert_eq!(active.as_deref(), Some("false"));
}

/// On this machine nobody else writes records, so the proof by the request's key is enough.
#[test]
fn on_this_machine_nothing_has_to_be_signed() {
    let world = World::empty();
    let create = ["cs", "-e", "local", "-u", "steve", "--email", "s@example.org", "--password-stdin"];
    let _ = world.quill_admin(create).stdin("correct horse battery staple 7").output().exits(0);
    let ran = world.quill_admin(["up", "-e", "local", "-u", "steve", "-p", "admin", "--json"]);
    let ran = ran.output().exits(0).json();
    let execution = ran["execution"].as_str().expect("an id");
    let undone = world.quill_admin(["undo", execution, "-e", "local"]).output().exits(0);
    assert!(undone.stdout.contains("permission level admin → superadmin"), "{undone}");
}
