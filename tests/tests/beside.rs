//! The tool beside the application's deploy pipeline, which has an admin job and an image of its own.

use cloud_emulator::{Emulator, ImageProgram, ProcessRunner, Runner, Script};
use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::doctor_fixture::{DoctorFixture, days_ago, instance};
use quill_admin_e2e::{ENTRY_POINT, Finished as _, JOB, World};
use quill_admin_testkit::bin;
use quill_admin_testkit::healthy::{Healthy, Target, admin_image, set_variable};
use quill_admin_testkit::home::environments;
use quill_admin_testkit::http::Request;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_docker, needs_postgres, needs_registry};
use regex::Regex;
use serde_json::{Value, json};

/// The commit that the pipeline deploys.
const SHA: &str = "9b2d7f1e4c3a5b6d8e9f0a1b2c3d4e5f60718293";

/// The image of the application's pipeline: the backend's with a script, and without this tool's labels.
fn their_image() -> Value {
    json!({"architecture": "amd64", "os": "linux", "created": days_ago(1), "config": {"Labels": {}}})
}

/// The effect of `gcloud run jobs update JOB --image=IMAGE`. gcloud sends the same fields by the API's first
/// version, which is not emulated; the job in Cloud Run is the same afterwards.
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

/// The effect of `gcloud run jobs execute JOB --update-env-vars=ADMIN_ACTION=run-migrations --wait`; returns
/// whether it succeeded.
fn run_migrations(world: &World, job: &str) -> bool {
    let env = json!([{"name": "ADMIN_ACTION", "value": "run-migrations"}]);
    let overrides = json!({"overrides": {"containerOverrides": [{"env": env}]}});
    let run = Request::new("POST", &format!("/v2/{job}:run")).json(&overrides);
    let operation = world.ask(run).expect(200).json();
    let name = operation["metadata"]["name"].as_str().expect("an execution").to_owned();
    world.idle();
    world.ask(Request::new("GET", &format!("/v2/{name}"))).expect(200).json()["succeededCount"] == 1
}

/// The step of the application's deploy before that of the backend: its image, and its migrations.
fn migrate(world: &World, job: &str, image: &str) {
    update_job(world, job, image);
    assert!(run_migrations(world, job), "their migrations failed");
}

/// The application's job, in staging.
const THEIR_JOB: &str = "projects/quill-medical-staging/locations/europe-west2/jobs/quill-admin-staging";
/// The repository of the application's image.
const THEIR_REPOSITORY: &str = "quill-medical-staging/quill/admin";

/// Gives the environment the application's names, and puts the resources that `build` would have made under
/// these; returns the image's name without tag.
fn share(environment: &DoctorFixture) -> String {
    let home = &environment.world.home;
    let file = home.read("environments.yaml");
    let shared = file
        .replace("job: quill-tasks-{env}", "job: quill-admin-{env}")
        .replace("quill/tasks", "quill/admin");
    home.write("environments.yaml", &shared);
    build(environment);
    environment.image().replace("quill/tasks", "quill/admin")
}

/// Puts the job and the image that `build` leaves under the application's names.
fn build(environment: &DoctorFixture) {
    let digest =
        environment.registry.push(THEIR_REPOSITORY, "latest", &admin_image(&environment.healthy.built));
    assert_eq!(digest, environment.healthy.digest);
    let mut job = environment.healthy.job();
    let image = &mut job["template"]["template"]["containers"][0]["image"];
    *image = json!(image.as_str().expect("an image").replace("quill/tasks", "quill/admin"));
    environment.world.emulator.put_job(THEIR_JOB, job).expect("a valid job");
    environment.world.emulator.set_script(THEIR_JOB, Script::default());
}

#[test]
fn a_job_that_two_tools_share_breaks_one_of_them_and_the_doctor_says_which() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    let apart = environment.world.home.read("environments.yaml");
    let image = share(&environment);
    let looked = || environment.doctor(["--only", "project,job,other-tools"]).output();
    let well = looked().exits(0);
    assert!(well.stdout.contains("✔ other-tools      none seen; no executions"), "{well}");

    // Their deploy pushes its image under two tags, and the job gets it.
    let _ = environment.registry.push(THEIR_REPOSITORY, SHA, &their_image());
    let _ = environment.registry.push(THEIR_REPOSITORY, "latest", &their_image());
    migrate(&environment.world, THEIR_JOB, &format!("{image}:{SHA}"));

    // Our task is refused before anything is started.
    let before = environment.world.runs();
    let refused = environment.world.quill_admin(["check", "--env", "staging"]).output().exits(22);
    assert!(refused.stderr.contains("is not pinned to a digest"), "{refused}");
    assert_eq!(environment.world.runs(), before);
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
        "help: quill-admin doctor --explain other-tools",
    ] {
        assert!(sick.stdout.contains(told), "{told}: {sick}");
    }

    // After `build` the job runs our image again, and their executions are still listed.
    build(&environment);
    let warned = looked().exits(0);
    assert!(warned.stdout.contains("another tool uses the job quill-admin-staging"), "{warned}");
    assert!(!warned.stdout.contains("another tool puts its images"), "{warned}");

    // With separate names both continue to work.
    environment.world.home.write("environments.yaml", &apart);
    let before = environment.world.job();
    migrate(&environment.world, THEIR_JOB, &format!("{image}:{SHA}"));
    assert_eq!(environment.world.job(), before);
    let well = looked().exits(0);
    assert!(well.stdout.contains("✔ other-tools      none seen"), "{well}");
}

/// The effect of `gcloud run services update SERVICE --image=IMAGE --no-traffic --tag=…`, and then, after a
/// smoke test, of directing all traffic to the new revision.
fn deploy_backend(world: &World, service: &str, image: &str) {
    let mut changed = world.emulator.get(service).expect("there is a service");
    let serving =
        changed["latestReadyRevision"].as_str().expect("a revision").rsplit('/').next().map(str::to_owned);
    let latest = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
    changed["template"]["containers"][0]["image"] = json!(image);
    changed["traffic"] = json!([
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": serving, "percent": 100},
        {"type": latest, "tag": format!("rev-{}", &SHA[..12])},
    ]);
    let patch = |mut changed: Value| {
        changed.as_object_mut().expect("an object").remove("etag");
        let _ = world.ask(Request::new("PATCH", &format!("/v2/{service}")).json(&changed)).expect(200);
        world.idle();
    };
    patch(changed);
    let mut promoted = world.emulator.get(service).expect("there is a service");
    promoted["traffic"] = json!([{"type": latest, "percent": 100}]);
    patch(promoted);
    let deployed = world.emulator.get(service).expect("there is a service");
    assert_eq!(deployed["template"]["containers"][0]["image"], image);
}

/// The job as the application's Terraform makes it.
fn their_job(image: &str, database: &Database) -> Value {
    let secret = |name: &str, secret: &str| json!({"name": name, "valueSource": {"secretKeyRef": {"secret": secret, "version": "latest"}}});
    json!({"template": {"taskCount": 1, "parallelism": 1, "template": {
        "containers": [{
            "image": image,
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
            "env": [
                {"name": "CORE_DB_HOST", "value": database.host},
                {"name": "CORE_DB_NAME", "value": database.name},
                {"name": "CORE_DB_USER", "value": database.user},
                secret("CORE_DB_PASSWORD", "core-db-password"),
                secret("JWT_SECRET", "jwt-secret"),
            ],
        }],
        "maxRetries": 0,
        "timeout": "300s",
        "vpcAccess": {"connector": "quill-vpc-cx-teaching", "egress": "PRIVATE_RANGES_ONLY"},
    }}})
}

/// A program in place of their image: it runs migrations only, and these only with the variables of their
/// job.
const THEIR_PROGRAM: &str = r#"
if [ "$ADMIN_ACTION" = run-migrations ] && [ -n "$CORE_DB_HOST$CORE_DB_PASSWORD" ] && [ -n "$JWT_SECRET" ]; then
    echo "INFO [alembic.runtime.migration] Will assume transactional DDL."
else
    echo "this is not for me: $ADMIN_ACTION" >&2
    exit 1
fi
"#;

/// Follows docs/beside-the-application.md from top to bottom, in the team's teaching environment, with their
/// deploys in between.
#[test]
fn both_tools_go_on_beside_each_other() {
    needs_docker!();
    needs_postgres!();
    needs_registry!();
    let theirs = ImageProgram::new("/bin/sh").arg("-c").arg(THEIR_PROGRAM);
    let ours = ImageProgram::new(bin::executor()).entry_point(ENTRY_POINT);
    let runner = ProcessRunner::new().image("quill/admin", theirs).image("quill/tasks", ours);
    let builds = BuildFixture::with_cloud(Emulator::builder().runner(Runner::Process(runner)));
    builds.sources();
    let (world, home, registry) = (&builds.world, &builds.world.home, builds.proxy.address());
    let database = Database::builder(Generation::August2026).without_roles().create();

    // The environment as the team has it today.
    let teaching = Healthy::new("teaching", &registry);
    let project = teaching.project();
    for (path, what) in teaching.puts() {
        if !path.contains("/jobs/") {
            world.put(&path, &what);
        }
    }
    let mut instance = instance();
    instance["ipAddresses"][0]["ipAddress"] = json!("127.0.0.1");
    world.emulator.put_sql_instance(&project, &teaching.instance_id(), instance).expect("a valid instance");
    world.emulator.put_secret(&project, "core-db-password", database.password.clone());
    world.emulator.put_secret(&project, "jwt-secret", "planted-jwt-key");
    let place = format!("projects/{project}/locations/europe-west2");
    let their_name = format!("{place}/jobs/quill-admin-teaching");
    let image = |name: &str| format!("{registry}/{project}/quill/{name}:{SHA}");
    let _ = builds.registry.push(&format!("{project}/quill/admin"), SHA, &their_image());
    let _ = builds.registry.push(&format!("{project}/quill/admin"), "latest", &their_image());
    world.emulator.put_job(&their_name, their_job(&image("admin"), &database)).expect("a valid job");
    let their_deploy = || {
        migrate(world, &their_name, &image("admin"));
        deploy_backend(world, &teaching.service_name(), &image("backend"));
    };
    their_deploy();
    let their_settings = || world.emulator.get(&their_name).expect("there is a job")["template"].clone();
    let before = their_settings();

    // The shipped environments file, and the result of `terraform apply`: the job with Google's sample image.
    let endpoint = format!("$1\n    endpoint: \"{}\"", world.emulator.url());
    let file = Regex::new("(?m)^(    project: .*)$")
        .expect("valid")
        .replace_all(&environments(), endpoint)
        .into_owned();
    home.write(
        "environments.yaml",
        &file
            .replace("{region}-docker.pkg.dev", &registry)
            .replace("name: quill_core", &format!("name: {}", database.name))
            .replace("user: quill\n", &format!("user: {}\n", database.user)),
    );
    let our_name = format!("{place}/jobs/quill-tasks-teaching");
    assert_eq!(teaching.job_name(), our_name);
    let mut job = teaching.job_on(&database);
    set_variable(&mut job, "AUTH_DB_HOST", "127.0.0.1");
    job["template"]["template"]["containers"][0]["image"] =
        json!("us-docker.pkg.dev/cloudrun/container/job:latest");
    job["annotations"] = json!({});
    world.emulator.put_job(&our_name, job).expect("a valid job");

    // build, check, a task.
    let run = |args: &[&str]| builds.quill_admin(args.iter().copied().chain(["--env", "teaching"])).output();
    let built = run(&["build", "--source", "sources"]).exits(0);
    assert!(built.stdout.contains("deployed to quill-tasks-teaching"), "{built}");
    // Cloud SQL listens on PostgreSQL's own port, with a certificate of its own authority; the database here does
    // not.
    let mut job = world.emulator.get(&our_name).expect("there is a job");
    Target { host: "127.0.0.1".to_owned(), ..Target::of(&database) }.put_into(&mut job);
    world.emulator.put_job(&our_name, job).expect("a valid job");
    let _ = run(&["check"]).exits(0);
    let _ = run(&["seed-roles"]).exits(0);
    let created = builds
        .quill_admin(["create-superadmin", "-e", "teaching", "-u", "steve", "--email", "s@example.org"])
        .arg("--password-stdin")
        .stdin("correct horse battery staple 7")
        .output()
        .exits(0);
    assert!(created.stdout.contains("steve"), "{created}");
    assert_eq!(their_settings(), before, "we have changed their job");

    // Their deploy, a task, their migrations, a task.
    let our_job = || world.emulator.get(&our_name).expect("there is a job");
    let ours = our_job();
    their_deploy();
    assert_eq!(our_job(), ours, "they have changed our job");
    let _ = run(&["add-role", "-u", "steve", "-r", "Clinician"]).exits(0);
    assert!(run_migrations(world, &their_name));
    let shown = run(&["show-user", "-u", "steve"]).exits(0);
    assert!(shown.stdout.contains("Clinician"), "{shown}");
    assert_eq!(our_job()["template"], ours["template"]);
    assert_eq!(their_settings(), before);

    let workflow = format!("run: gcloud run jobs update quill-admin-teaching --image={}\n", image("admin"));
    home.write("app/.github/workflows/deploy.yml", &workflow);
    let looked = run(&["doctor", "--repo", "app", "--only", "job-image,other-tools"]).exits(0);
    assert!(looked.stdout.contains("✔ other-tools      none seen"), "{looked}");
}

#[test]
fn a_workflow_that_uses_the_job_or_the_repository_is_named_by_its_lines() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    let _ = share(&environment);
    let home = &environment.world.home;
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
    let told = environment.doctor(["--repo", "app", "--only", "other-tools"]).output().exits(0);
    for line in [
        ".github/workflows/deploy.yml:11: bash .github/scripts/deploy/run-migrations.sh quill-admin-staging \"$PROJECT\"",
        ".github/workflows/deploy.yml:8: tags: ",
        "another tool uses the job quill-admin-staging",
        "another tool puts its images into",
    ] {
        assert!(told.stdout.contains(line), "{line}: {told}");
    }
    assert!(!told.stdout.contains("Justfile"), "{told}");
    // If the doctor cannot look, it does not conclude that there is nothing.
    let nowhere = environment.doctor(["--repo", "nowhere", "--only", "other-tools"]).output().exits(31);
    assert!(nowhere.stdout.contains("next: name its folder with: --repo FOLDER"), "{nowhere}");
    home.write("other/run.ps1", "");
    std::fs::write(home.work().join("other/run.ps1"), b"\xff\xfed\0o\0").expect("a file");
    let unread = environment.doctor(["--repo", "other", "--only", "other-tools"]).output().exits(31);
    assert!(unread.stdout.contains("run.ps1 could not be read: it is UTF-16"), "{unread}");
}

#[test]
fn what_the_doctor_may_not_see_is_not_told_as_nothing() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    environment.world.emulator.deny_permissions(["run.executions.list".to_owned()]);
    let denied = environment.doctor(["--only", "other-tools"]).output().exits(31);
    assert!(!denied.stdout.contains("none seen"), "{denied}");
    // What was seen is told all the same, and what was not seen beside it.
    environment.world.home.write("app/deploy.sh", "gcloud run jobs execute quill-tasks-staging\n");
    let told = environment.doctor(["--repo", "app", "--only", "other-tools"]).output().exits(31);
    assert!(told.stdout.contains("another tool uses the job quill-tasks-staging"), "{told}");
    assert!(told.stdout.contains("could not be decided: "), "{told}");
}

#[test]
fn a_job_with_the_newer_names_keeps_them() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    let mut job = environment.healthy.job();
    let variables = &mut job["template"]["template"]["containers"][0]["env"];
    for variable in variables.as_array_mut().expect("variables") {
        let name = variable["name"].as_str().expect("a name").replace("AUTH_DB_", "CORE_DB_");
        variable["name"] = json!(name);
    }
    let emulator = &environment.world.emulator;
    emulator.put_job(JOB, job.clone()).expect("a valid job");
    let look = || environment.doctor(["--only", "job-settings,database"]).output();
    let _ = look().exits(0);

    // The doctor's fix changes the existing variable, and adds none that would take precedence over it.
    let mut old = job.clone();
    old["template"]["template"]["containers"][0]["env"][1]["value"] = json!("quill_old");
    emulator.put_job(JOB, old).expect("a valid job");
    let sick = look().exits(30);
    assert!(sick.stdout.contains("CORE_DB_NAME: quill_old → quill_core"), "{sick}");
    let _ = environment.doctor(["--only", "job-settings,database", "--fix", "--yes"]).output().exits(0);
    let names = |job: &Value| {
        let all = job["template"]["template"]["containers"][0]["env"].as_array().expect("variables").clone();
        all.into_iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let fixed = environment.world.job().expect("there is a job");
    assert_eq!(names(&fixed), names(&job));
    assert_eq!(fixed["template"]["template"]["containers"][0]["env"][1]["value"], "quill_core");

    // Both names have other values: the older one takes precedence, and the message says so.
    let mut both = job;
    both["template"]["template"]["containers"][0]["env"]
        .as_array_mut()
        .expect("variables")
        .push(json!({"name": "AUTH_DB_NAME", "value": "quill_core"}));
    both["template"]["template"]["containers"][0]["env"][1]["value"] = json!("quill_auth");
    emulator.put_job(JOB, both).expect("a valid job");
    let told = look().exits(0);
    assert!(told.stdout.contains("AUTH_DB_NAME wins over CORE_DB_NAME"), "{told}");
}
