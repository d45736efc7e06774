//! Beside the application: its deploy pipeline, which has an admin job and an image of its own.

use cloud_emulator::Script;
use quill_admin_e2e::clinic::{Clinic, days_ago};
use quill_admin_e2e::{Finished as _, JOB, REPOSITORY, World};
use quill_admin_testkit::healthy::admin_image;
use quill_admin_testkit::http::Request;
use quill_admin_testkit::needs_registry;
use serde_json::{Value, json};

/// The commit that the pipeline deploys.
const SHA: &str = "9b2d7f1e4c3a5b6d8e9f0a1b2c3d4e5f60718293";

/// The image that the application's pipeline builds: the backend's with a script, and without a label of ours.
fn their_image() -> Value {
    json!({"architecture": "amd64", "os": "linux", "created": days_ago(1), "config": {"Labels": {}}})
}

/// `gcloud run jobs update JOB --image=IMAGE`. It sends the same fields by the API's first version, which is not
/// emulated; what Cloud Run has of it afterwards is the same.
fn update_job(world: &World, job: &str, image: &str) {
    let mut changed = world.emulator.get(job).expect("there is a job");
    changed["template"]["template"]["containers"][0]["image"] = json!(image);
    changed["client"] = json!("gcloud");
    changed["clientVersion"] = json!("528.0.0");
    for key in ["etag", "annotations"] {
        changed.as_object_mut().expect("an object").remove(key);
    }
    let _ = world.ask(Request::new("PATCH", &format!("/v2/{job}")).json(&changed)).expect(200);
}

/// `gcloud run jobs execute JOB --update-env-vars=ADMIN_ACTION=run-migrations --wait`; returns whether it succeeded.
fn run_migrations(world: &World, job: &str) -> bool {
    let env = json!([{"name": "ADMIN_ACTION", "value": "run-migrations"}]);
    let overrides = json!({"overrides": {"containerOverrides": [{"env": env}]}});
    let run = Request::new("POST", &format!("/v2/{job}:run")).json(&overrides);
    let operation = world.ask(run).expect(200).json();
    let name = operation["metadata"]["name"].as_str().expect("an execution").to_owned();
    world.idle();
    world.ask(Request::new("GET", &format!("/v2/{name}"))).expect(200).json()["succeededCount"] == 1
}

/// The step of the application's deploy before the backend's: its image, and its migrations.
fn migrate(world: &World, job: &str, image: &str) {
    update_job(world, job, image);
    assert!(run_migrations(world, job), "their migrations failed");
}

#[test]
fn a_job_that_two_tools_share_breaks_one_of_them_and_the_doctor_says_which() {
    needs_registry!();
    let clinic = Clinic::healthy();
    clinic.world.emulator.set_script(JOB, Script::default());
    let looked = || clinic.doctor(["--only", "project,job,other-tools"]).output();
    let check = ["check", "--env", "staging"];
    let well = looked().exits(0);
    assert!(well.stdout.contains("✔ other-tools      none seen; no executions"), "{well}");

    // Their deploy: its image is pushed as two tags, and the job gets it.
    let _ = clinic.registry.push(REPOSITORY, SHA, &their_image());
    let _ = clinic.registry.push(REPOSITORY, "latest", &their_image());
    migrate(&clinic.world, JOB, &format!("{}:{SHA}", clinic.image()));

    // Ours is refused before anything is started.
    let before = clinic.world.runs();
    let refused = clinic.world.quill_admin(check).output().exits(22);
    assert!(refused.stderr.contains("is not pinned to a digest"), "{refused}");
    assert_eq!(clinic.world.runs(), before);
    let sick = looked().exits(30);
    for told in [
        "✘ other-tools      another tool has put its image into the job quill-admin-staging",
        "which does not have the labels of this program's image",
        "the job was changed last by",
        "with gcloud 528.0.0",
        "ran the action run-migrations, started by",
        "next: give the job a name of its own: \"job: quill-tasks-{env}\" in",
        "environments.yaml:3:3",
        "another tool puts its images into",
        "environments.yaml:4:3",
        "help: docs/troubleshooting.md#other-tools",
    ] {
        assert!(sick.stdout.contains(told), "{told}: {sick}");
    }

    // What `build` leaves: the job runs ours again, and what they have run is still seen.
    let digest = clinic.registry.push(REPOSITORY, "latest", &admin_image(&days_ago(10)));
    assert_eq!(digest, clinic.healthy.digest);
    clinic.cure();
    let warned = looked().exits(0);
    assert!(warned.stdout.contains("another tool uses the job quill-admin-staging"), "{warned}");
    assert!(!warned.stdout.contains("another tool puts its images"), "{warned}");

    // With names apart both go on.
    let file = clinic.world.home.read("environments.yaml");
    let apart = file
        .replace("job: quill-admin-{env}", "job: quill-tasks-{env}")
        .replace("quill/admin", "quill/tasks");
    clinic.world.home.write("environments.yaml", &apart);
    let own =
        clinic.registry.push("quill-medical-staging/quill/tasks", "latest", &admin_image(&days_ago(10)));
    let mut job = clinic.healthy.job();
    job["annotations"]["admin.quill-medical.org/image-digest"] = json!(own);
    let image = format!("{}@{own}", clinic.image().replace("quill/admin", "quill/tasks"));
    job["template"]["template"]["containers"][0]["image"] = json!(image);
    let ours = JOB.replace("quill-admin-", "quill-tasks-");
    clinic.world.emulator.put_job(&ours, job).expect("a valid job");
    clinic.world.emulator.set_script(&ours, Script::default());
    let before = clinic.world.emulator.get(&ours);
    migrate(&clinic.world, JOB, &format!("{}:{SHA}", clinic.image()));
    assert_eq!(clinic.world.emulator.get(&ours), before);
    let well = looked().exits(0);
    assert!(well.stdout.contains("✔ other-tools      none seen"), "{well}");
}

#[test]
fn a_workflow_that_uses_the_job_or_the_repository_is_named_by_its_lines() {
    needs_registry!();
    let clinic = Clinic::healthy();
    let home = &clinic.world.home;
    home.write(
        "app/.github/workflows/deploy.yml",
        "\
jobs:
  deploy:
    steps:
      - uses: docker/build-push-action@v6
        with:
          context: .
          target: admin
          tags: ${{ env.AR_REGISTRY }}/${{ secrets.PROJECT }}/quill/admin:${{ needs.prepare.outputs.sha }}
      - run: |
          bash .github/scripts/deploy/run-migrations.sh \\
            quill-admin-staging \\
            \"$PROJECT\"
",
    );
    home.write(
        "app/Justfile",
        "logs env:\n    gcloud run jobs executions list --job=quill-admin-{{ env }}\n",
    );
    let told = clinic.doctor(["--repo", "app", "--only", "other-tools"]).output().exits(0);
    for line in [
        ".github/workflows/deploy.yml:11: bash .github/scripts/deploy/run-migrations.sh quill-admin-staging \"$PROJECT\"",
        ".github/workflows/deploy.yml:8: tags: ",
        "another tool uses the job quill-admin-staging",
        "another tool puts its images into",
    ] {
        assert!(told.stdout.contains(line), "{line}: {told}");
    }
    assert!(!told.stdout.contains("Justfile"), "{told}");
    // Whoever cannot look has not seen that nothing is there.
    let nowhere = clinic.doctor(["--repo", "nowhere", "--only", "other-tools"]).output().exits(31);
    assert!(nowhere.stdout.contains("next: name its folder with: --repo FOLDER"), "{nowhere}");
}

#[test]
fn what_the_doctor_may_not_see_is_not_told_as_nothing() {
    needs_registry!();
    let clinic = Clinic::healthy();
    clinic.world.emulator.deny_permissions(["run.executions.list".to_owned()]);
    let denied = clinic.doctor(["--only", "other-tools"]).output().exits(31);
    assert!(!denied.stdout.contains("none seen"), "{denied}");
}

#[test]
fn a_job_with_the_newer_names_keeps_them() {
    needs_registry!();
    let clinic = Clinic::healthy();
    let mut job = clinic.healthy.job();
    let variables = &mut job["template"]["template"]["containers"][0]["env"];
    for variable in variables.as_array_mut().expect("variables") {
        let name = variable["name"].as_str().expect("a name").replace("AUTH_DB_", "CORE_DB_");
        variable["name"] = json!(name);
    }
    let emulator = &clinic.world.emulator;
    emulator.put_job(JOB, job.clone()).expect("a valid job");
    let look = || clinic.doctor(["--only", "job-settings,database"]).output();
    let _ = look().exits(0);

    // The doctor's fix changes the variable that is there, and adds none that would win over it.
    let mut old = job.clone();
    old["template"]["template"]["containers"][0]["env"][1]["value"] = json!("quill_old");
    emulator.put_job(JOB, old).expect("a valid job");
    let sick = look().exits(30);
    assert!(sick.stdout.contains("CORE_DB_NAME: quill_old → quill_auth"), "{sick}");
    let _ = clinic.doctor(["--only", "job-settings,database", "--fix", "--yes"]).output().exits(0);
    let names = |job: &Value| {
        let all = job["template"]["template"]["containers"][0]["env"].as_array().expect("variables").clone();
        all.into_iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let fixed = clinic.world.job().expect("there is a job");
    assert_eq!(names(&fixed), names(&job));
    assert_eq!(fixed["template"]["template"]["containers"][0]["env"][1]["value"], "quill_auth");

    // Both names with other values: the older one wins, and that is said.
    let mut both = job;
    both["template"]["template"]["containers"][0]["env"]
        .as_array_mut()
        .expect("variables")
        .push(json!({"name": "AUTH_DB_NAME", "value": "quill_auth"}));
    both["template"]["template"]["containers"][0]["env"][1]["value"] = json!("quill_core");
    emulator.put_job(JOB, both).expect("a valid job");
    let told = look().exits(0);
    assert!(told.stdout.contains("AUTH_DB_NAME wins over CORE_DB_NAME"), "{told}");
}
