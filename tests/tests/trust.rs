//! Tests of the settings files that are believed, of the hosts that get the token, and of the requests that do not
//! use a proxy.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::PathBuf;
use std::time::Duration;

use cloud_emulator::{Emulator, Script, Step};
use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::tls::{ConnectProxy, Front};
use quill_admin_e2e::{Finished as _, JOB, PROJECT, TOKEN, World};
use quill_admin_testkit::home::Run;
use serde_json::json;

use crate::sign_in::{gcloud, quill_admin, sign_in};

const SHOW: [&str; 5] = ["show-user", "-e", "staging", "-u", "steve"];

fn result() -> Script {
    let user = json!({"username": "steve", "email": "s@example.org", "permission": "staff", "base_profession": "x",
        "roles": [], "active": true, "totp_enabled": false});
    let line = json!({"contract": 1, "action": "show-user", "exit_code": 0, "outcome": {"result": "found", "user": user}});
    Script::new([
        Step::wait(Duration::from_millis(100)),
        Step::log(json!({"message": "found", "quill_admin": line}).to_string()),
    ])
}

/// A command line for which the file is found, as in a clone, with a sign-in.
fn found<'a>(world: &World, args: impl IntoIterator<Item = &'a str>) -> Run {
    quill_admin(world, args).env_remove("QUILL_ADMIN_CONFIG")
}

/// A command line of a person who trusts the emulator's address.
fn trusting<'a>(world: &World, args: impl IntoIterator<Item = &'a str>) -> Run {
    found(world, args).env("QUILL_ADMIN_TRUSTED_HOSTS", "127.0.0.1")
}

/// A settings file whose environment is at these endpoints.
fn settings(world: &World, endpoints: &str) {
    let file = format!(
        "defaults: {{ region: europe-west2, job: \"quill-tasks-{{env}}\", \
         image: \"europe-west2-docker.pkg.dev/{{project}}/quill/tasks\", \
         database: {{ name: quill_core, user: quill, password_secret: core-db-password }} }}\n\
         environments:\n  staging: {{ project: {PROJECT}, {endpoints} }}\n"
    );
    world.home.write("environments.yaml", &file);
}

const COMMANDS: [&[&str]; 5] = [
    &["check", "--env", "staging"],
    &["whoami", "--env", "staging"],
    &["history", "--env", "staging"],
    &["doctor", "--env", "staging", "--skip", "machine-docker"],
    &["check", "--env", "staging", "--dry-run"],
];

#[test]
fn a_file_that_is_found_sends_the_token_to_nobody() {
    let world = World::signed_in(Script::default());
    gcloud(&world.home, &format!("echo {TOKEN}"));
    world.home.write("gcloud/configurations/config_default", "[core]\naccount = victim@example.org\n");
    let front = Front::new(&world.home, &world.emulator.address().to_string(), &["localhost"]);
    let at = format!("https://localhost:{}", front.port());
    world.home.write("src/deep/file", "");
    let run = |args: &[&str]| {
        found(&world, args.iter().copied())
            .cwd(world.home.work().join("src/deep"))
            .env("SSL_CERT_FILE", &front.authority)
            .output()
    };
    // All services are on this machine: they are called without a sign-in.
    settings(&world, &format!("endpoint: \"{at}\""));
    for args in COMMANDS {
        let _ = run(args);
    }
    assert!(!front.seen.all().is_empty(), "it was asked");
    assert!(!front.seen.has("ya29") && !front.seen.has("uthorization"), "{:?}", front.seen.all());

    // Some services are on this machine, the rest at Google: no request is sent.
    let asked = front.seen.all().len();
    for endpoints in
        [format!("endpoints: {{ run: \"{at}\" }}"), format!("endpoints: {{ user_info: \"{at}\" }}")]
    {
        settings(&world, &endpoints);
        for args in COMMANDS {
            let finished = run(args);
            if ["whoami", "history"].contains(&args[0]) {
                finished.expect_code(2);
                assert!(finished.stderr.contains("sends some calls to localhost"), "{finished}");
            }
        }
    }
    assert_eq!(front.seen.all().len(), asked);
    assert!(world.emulator.calls().iter().all(|call| !call.headers.contains_key("authorization")));

    // A person who names the host trusts it.
    settings(
        &world,
        &format!("endpoints: {{ user_info: \"{at}\", run: \"{at}\", resource_manager: \"{at}\" }}"),
    );
    let finished = found(&world, ["whoami", "-e", "staging", "--trust-host", "localhost"])
        .env("SSL_CERT_FILE", &front.authority)
        .output()
        .exits(0);
    assert!(finished.stdout.starts_with("victim@example.org in staging\n"), "{finished}");
    assert!(front.seen.has(&format!("Bearer {TOKEN}")));
}

#[test]
fn another_host_has_to_be_named_by_the_person() {
    let world = World::signed_in(Script::default());
    sign_in(&world);
    settings(&world, "endpoint: \"https://run.googleapis.com.attacker.example\"");
    let file = world.home.work().join("environments.yaml").display().to_string();
    for named in [false, true] {
        for args in COMMANDS {
            let run = found(&world, args.iter().copied());
            let run = if named { run.env("QUILL_ADMIN_CONFIG", &file) } else { run };
            let finished = run.output();
            if args[0] == "doctor" {
                assert!(finished.to_string().contains("attacker.example"), "{finished}");
                continue;
            }
            // For a file that is found, the question where tasks go comes first.
            let code = if named || args[0] != "check" { 2 } else { 28 };
            finished.expect_code(code);
            if code == 2 {
                for part in [
                    &file[..],
                    "run.googleapis.com.attacker.example, which is neither one of Google's hosts",
                    "nothing was sent",
                    "next: if you trust that host with your sign-in, add: --trust-host run.googleapis.com.attacker.example",
                ] {
                    assert!(finished.stderr.contains(part), "{part}: {finished}");
                }
            }
        }
    }
    let refused = found(&world, ["whoami", "-e", "staging", "--trust-host", "https://x.example"]).output();
    assert!(refused.exits(2).stderr.contains("give a host without scheme, port and path"));
    assert!(world.emulator.calls().is_empty());

    // A file in the person's own folder counts as the person's choice.
    let own = world.home.path().join(".config/quill-admin");
    fs::create_dir_all(&own).expect("made");
    let url = world.emulator.url();
    settings(
        &world,
        &format!("endpoints: {{ user_info: \"{url}\", run: \"{url}\", resource_manager: \"{url}\" }}"),
    );
    fs::rename(world.home.work().join("environments.yaml"), own.join("environments.yaml")).expect("moved");
    let finished = found(&world, ["whoami", "-e", "staging"]).output().exits(0);
    assert!(finished.stdout.contains("settings         "), "{finished}");
    assert!(finished.stdout.contains(".config/quill-admin/environments.yaml"), "{finished}");
}

#[test]
fn the_doctor_takes_each_environments_own_sign_in() {
    let (world, other) = (World::signed_in(Script::default()), World::signed_in(Script::default()));
    sign_in(&world);
    // Both sign-ins act as the same account, which gets its tokens at different addresses.
    let environment = |world: &World| {
        let url = world.emulator.url();
        format!(
            "impersonate_service_account: \"robot@{PROJECT}.iam.gserviceaccount.com\", \
             endpoints: {{ resource_manager: \"{url}\", iam_credentials: \"{url}\" }}"
        )
    };
    settings(&world, &environment(&world));
    let file = world.home.read("environments.yaml");
    let second = format!("  teaching: {{ project: quill-medical-teaching, {} }}\n", environment(&other));
    world.home.write("environments.yaml", &format!("{file}{second}"));
    let finished = quill_admin(&world, ["doctor", "--only", "machine-sign-in,project"]).output();
    let tokens = |world: &World| {
        let calls = world.emulator.calls();
        calls.iter().filter(|call| call.path.ends_with(":generateAccessToken")).count()
    };
    assert!(tokens(&world) > 0 && tokens(&other) > 0, "{} {} {finished}", tokens(&world), tokens(&other));
}

#[test]
fn an_image_at_another_host_is_not_built_for() {
    let builds = BuildFixture::with_token();
    builds.sources();
    let world = &builds.world;
    let file = world.home.read("environments.yaml").replace(&builds.proxy.address(), "registry.example.test");
    world.home.write("environments.yaml", &file);
    let finished = builds.build([]).output().exits(2);
    for part in [
        "is at registry.example.test, which is neither one of Google's hosts nor one that you named",
        "next: if you trust that host with your sign-in, add: --trust-host registry.example.test",
    ] {
        assert!(finished.stderr.contains(part), "{part}: {finished}");
    }
    assert!(world.emulator.calls().is_empty());
}

#[test]
fn a_file_that_others_can_write_is_not_used() {
    let world = World::scripted(result());
    let file = world.home.work().join("environments.yaml");
    let mode = |path: &PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
    };
    let refused = |part: &str, hint: &str| {
        let finished = world.quill_admin(["history", "-e", "staging"]).output().exits(2);
        for part in [part, hint, "could say where your sign-in and your tasks go"] {
            assert!(finished.stderr.contains(part), "{part}: {finished}");
        }
        let named = world.quill_admin(["history", "-e", "staging", "--config", "environments.yaml"]);
        let _ = named.output().exits(0);
    };
    mode(&file, 0o666);
    refused("everybody, or a group, may write to /", "next: if it should be yours alone: chmod go-w /");
    mode(&file, 0o644);
    for open in [0o777, 0o1777] {
        mode(&world.home.work(), open);
        refused("everybody, or a group, may write to the folder /", "chmod go-w /");
    }
    mode(&world.home.work(), 0o755);
    let _ = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    // The same goes for the folders above: whoever may write to one may replace the folder below, except
    // where only the owner of a file may move it, as in /tmp.
    mode(&world.home.path().to_owned(), 0o777);
    refused("everybody, or a group, may write to the folder /", "chmod go-w /");
    mode(&world.home.path().to_owned(), 0o1777);
    let _ = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    mode(&world.home.path().to_owned(), 0o755);

    // A link is as trustworthy as the file that it leads to.
    let other = world.home.path().join("shared");
    fs::create_dir(&other).expect("made");
    fs::rename(&file, other.join("settings.yaml")).expect("moved");
    symlink(other.join("settings.yaml"), &file).expect("made");
    let _ = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    mode(&other, 0o777);
    refused("may write to the folder", "shared");
    mode(&other, 0o755);

    // Only root can give a file away.
    if rustix::process::geteuid().is_root() {
        chown(other.join("settings.yaml"), Some(4711), None).expect("given away");
        refused("dubious ownership: ", "next: if it should be yours: sudo chown");
        let sudo = world.quill_admin(["history", "-e", "staging"]).env("SUDO_UID", "4711");
        let _ = sudo.output().exits(0);
    }
}

#[test]
fn tasks_go_where_a_found_file_says_once_that_is_confirmed() {
    let world = World::signed_in(result());
    sign_in(&world);
    let file = world.home.work().join("environments.yaml");
    let refused = |why: &str| {
        let calls = world.emulator.calls().len();
        for args in [&SHOW[..], &["check", "-e", "staging", "--dry-run"]] {
            let finished = trusting(&world, args.iter().copied()).output().exits(28);
            let names =
                format!("names project {PROJECT} and job quill-tasks-staging for \"staging\", and {why}");
            assert!(finished.stderr.contains(&names), "{finished}");
            for hint in ["confirm it once: quill-admin envs --trust --env staging", "--config "] {
                assert!(finished.stderr.contains(hint), "{finished}");
            }
        }
        assert_eq!(world.emulator.calls().len(), calls, "nothing was sent");
    };
    refused("nobody has confirmed that on this machine; nothing was sent");
    // Commands that are not tasks need no confirmation.
    let _ = trusting(&world, ["history", "-e", "staging"]).output().exits(0);

    let mut terminal = trusting(&world, SHOW).terminal();
    terminal.expect("[y/N]").type_line("n");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 28, "{}", ended.transcript);
    assert!(ended.text().contains("not confirmed; nothing was sent"), "{}", ended.text());
    refused("nobody has confirmed that on this machine");
    let mut terminal = trusting(&world, SHOW).terminal();
    terminal.expect("[y/N]").type_line("y");
    assert_eq!(terminal.wait().code(), 0);
    let _ = trusting(&world, SHOW).output().exits(0);
    assert_eq!(world.runs(), 2);

    // The confirmation is saved for this content of the file, readable for its owner only.
    let state = world.home.path().join(".local/state/quill-admin/confirmed");
    let entries: Vec<_> = fs::read_dir(&state).expect("there").flatten().collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&state).expect("there").permissions().mode() & 0o777, 0o700);
    let text = fs::read_to_string(&file).expect("there");
    fs::write(&file, format!("{text}\n# Another line.\n")).expect("written");
    refused("the file has changed since that was confirmed");
    let copy = world.home.path().join("elsewhere");
    fs::create_dir(&copy).expect("made");
    fs::write(copy.join("environments.yaml"), &text).expect("written");
    let elsewhere = trusting(&world, SHOW).cwd(&copy).output().exits(28);
    assert!(elsewhere.stderr.contains("nobody has confirmed that"), "{elsewhere}");

    let told = trusting(&world, ["envs", "--trust", "-e", "staging"]).output().exits(0);
    let goes = format!("✔ tasks for staging go to project {PROJECT}, job quill-tasks-staging");
    assert!(told.stdout.starts_with(&goes), "{told}");
    let _ = trusting(&world, SHOW).output().exits(0);
    let told = trusting(&world, ["envs", "--trust", "--json"]).output().exits(0).json();
    let names: Vec<_> =
        told["confirmed"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["staging", "teaching"], "what stays on this machine is not among them");

    // A file that is named counts as chosen.
    fs::remove_dir_all(&state).expect("removed");
    let _ = trusting(&world, SHOW).env("QUILL_ADMIN_CONFIG", &file).output().exits(0);
    assert!(!state.exists());
}

/// The folder that the file names decides what tasks do.
#[test]
fn the_folder_of_the_application_is_confirmed_with_the_rest() {
    let world = World::signed_in(result());
    sign_in(&world);
    let _ = trusting(&world, ["envs", "--trust"]).output().exits(0);
    let text = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &format!("application: ../elsewhere\n{text}"));
    let folder = world.home.work().join("../elsewhere").display().to_string();
    for name in ["../elsewhere", "mine"] {
        crate::actions::application(&world, name, "");
    }
    let calls = world.emulator.calls().len();
    let refused = trusting(&world, SHOW).output().exits(28);
    let names = format!(
        "for \"staging\", and the application's folder {folder}, and the file, or the actions there, have \
         changed since that was"
    );
    assert!(refused.stderr.contains(&names), "{refused}");
    // Another folder, chosen for one command, is not the one that the file names.
    let refused = trusting(&world, SHOW).args(["--application", "mine"]).output().exits(28);
    assert!(refused.stderr.contains(&names), "{refused}");
    assert_eq!(world.emulator.calls().len(), calls, "nothing was sent");
    let mut terminal = trusting(&world, SHOW).terminal();
    terminal.expect("application's folder").expect(&folder).expect("[y/N]").type_line("n");
    assert_eq!(terminal.wait().code(), 28);

    let told = trusting(&world, ["envs", "--trust", "--json"]).output().exits(0).json();
    assert_eq!(told["confirmed"][0]["application"], folder.as_str());
    let told = trusting(&world, ["envs", "--trust"]).output().exits(0);
    assert!(told.stdout.contains(&format!("what tasks do is said in {folder}")), "{told}");
    let _ = trusting(&world, SHOW).output().exits(0);
    let _ = trusting(&world, SHOW).args(["--application", "mine"]).output().exits(0);
    // The confirmation does not cover other actions.
    let actions = world.home.read("../elsewhere/actions.yaml");
    world.home.write("../elsewhere/actions.yaml", &format!("# Another line.\n{actions}"));
    let refused = trusting(&world, SHOW).output().exits(28);
    assert!(refused.stderr.contains(&names), "{refused}");
}

/// Files of the folder are judged like the file that names it, unless a person has chosen them.
#[test]
fn files_of_the_application_that_others_can_write_are_not_used() {
    let world = World::empty();
    crate::actions::application(&world, "app", "");
    let text = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &format!("application: app\n{text}"));
    let file = world.home.work().join("app/actions.yaml");
    let actions = || world.home.quill_admin(["actions"]);
    let _ = actions().output().exits(0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("changed");
    let refused = actions().output().exits(2);
    assert!(
        refused.stderr.contains("may write to ") && refused.stderr.contains("could say what your tasks do"),
        "{refused}"
    );
    assert!(refused.stderr.contains("if you know what is in it, name it: --application "), "{refused}");
    let _ = actions().args(["--application", "app"]).output().exits(0);
    let _ =
        actions().env("QUILL_ADMIN_CONFIG", world.home.work().join("environments.yaml")).output().exits(0);
}

#[test]
fn an_address_on_this_machine_is_confirmed_as_any_other() {
    // Other users of the machine may listen there.
    let world = World::scripted(result());
    let state = world.home.path().join(".local");
    fs::remove_dir_all(&state).expect("a world is confirmed when it is made");
    let run = |args: &[&str]| world.home.quill_admin(args.iter().copied()).output();
    let refused = run(&SHOW).exits(28);
    assert!(refused.stderr.contains("confirm it once: quill-admin envs --trust --env staging"), "{refused}");
    let args =
        ["create-superadmin", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--password-stdin"];
    let refused = world.home.quill_admin(args).stdin("correct horse battery staple 9").output().exits(28);
    assert!(refused.stderr.contains("nothing was sent"), "{refused}");
    assert!(world.emulator.calls().is_empty());
    // The local environment is part of this program, and needs no confirmation.
    let _ = run(&["check", "-e", "local", "--dry-run"]).exits(0);
    assert!(!state.exists());

    let told = run(&["envs", "--trust", "--json"]).exits(0).json();
    let names: Vec<_> =
        told["confirmed"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["staging", "teaching"]);
    let _ = run(&SHOW).exits(0);
}

#[test]
fn the_plan_names_a_file_that_is_not_the_working_folders() {
    let world = World::scripted(result());
    world.home.write("deep/down/file", "");
    let file = world.home.work().join("environments.yaml").display().to_string();
    let run = |args: &[&str]| {
        let args = SHOW.iter().chain(args).copied();
        world.quill_admin(args).cwd(world.home.work().join("deep/down")).output().exits(0)
    };
    let plan = run(&["--dry-run"]);
    assert!(plan.stdout.contains(&format!("settings         {file}")), "{plan}");
    let task = run(&[]);
    assert!(task.stderr.contains(&format!("settings         {file}")), "{task}");
    assert_eq!(run(&["--dry-run", "--json"]).json()["settings"], file);
    let here = world.quill_admin(SHOW).arg("--dry-run").output().exits(0);
    assert!(!here.stdout.contains("settings "), "{here}");
}

mod proxies {
    use super::*;

    /// Every variable that names a proxy.
    const VARIABLES: [&str; 6] =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

    #[test]
    fn nothing_for_this_machine_goes_through_one() {
        let proxy = ConnectProxy::refusing();
        let through = |run: Run| VARIABLES.iter().fold(run, |run, name| run.env(*name, proxy.url()));
        let world = World::scripted(result());
        for exceptions in [None, Some(""), Some("example.org"), Some("*")] {
            let run = through(world.quill_admin(SHOW));
            let run = match exceptions {
                Some(value) => run.env("NO_PROXY", value),
                None => run,
            };
            let _ = run.output().exits(0);
        }
        for url in ["localhost", "127.0.0.1", "127.1.2.3"] {
            // The emulator does not listen on every address of this network.
            let at = world.emulator.url().replace("127.0.0.1", url);
            settings(&world, &format!("endpoint: \"{at}\""));
            let _ = through(world.quill_admin(["history", "-e", "staging"])).output();
        }
        assert_eq!(proxy.seen.all(), Vec::<String>::new());

        // This covers the exchange of a token, and of a token for a service account's.
        let world = World::signed_in(result());
        sign_in(&world);
        let robot = format!("robot@{PROJECT}.iam.gserviceaccount.com");
        let run = through(quill_admin(&world, SHOW));
        let run = run.env("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", &robot);
        let _ = run.output().exits(0);
        assert_eq!(world.emulator.executions(JOB)[0]["creator"], robot);
        assert_eq!(proxy.seen.all(), Vec::<String>::new());
    }

    #[test]
    fn the_local_environment_works_behind_one() {
        let proxy = ConnectProxy::refusing();
        let world = World::scripted(Script::default());
        let run = world.quill_admin([
            "create-superadmin",
            "-e",
            "local",
            "-u",
            "prox.y",
            "--email",
            "p@example.org",
            "--password-stdin",
        ]);
        let run = VARIABLES.iter().fold(run, |run, name| run.env(*name, proxy.url()));
        let _ = run.stdin("correct horse battery staple 9\n").output().exits(0);
        assert_eq!(proxy.seen.all(), Vec::<String>::new());
    }

    #[test]
    fn google_is_reached_through_one() {
        const HOST: &str = "cloud.example.test";
        let world = World::scripted_in(Emulator::builder().host(HOST), result());
        world.emulator.set_token(TOKEN);
        world.home.write("token", TOKEN);
        let front = Front::new(&world.home, &world.emulator.address().to_string(), &[HOST]);
        let proxy = ConnectProxy::leading(HOST, front.port());
        settings(&world, &format!("endpoint: \"https://{HOST}\""));
        let run = |args: &[&str]| {
            world
                .quill_admin(args.iter().copied())
                .args(["--access-token-file", "token", "--trust-host", HOST, "--config", "environments.yaml"])
                .env("HTTPS_PROXY", proxy.url())
                .env("SSL_CERT_FILE", &front.authority)
                .output()
        };
        let finished = run(&SHOW).exits(0);
        assert!(proxy.seen.has(&format!("CONNECT {HOST}:443")), "{:?}", proxy.seen.all());
        // The proxy sees the destination, and nothing else.
        assert!(!proxy.seen.has(TOKEN) && !proxy.seen.has("steve"));
        assert!(front.seen.has(&format!("Bearer {TOKEN}")));
        let told = "a live log does not go through the proxy of HTTPS_PROXY";
        assert!(finished.stderr.contains(told), "{finished}");
        assert!(finished.stderr.contains("reading the log every two seconds"), "{finished}");
        assert!(finished.stdout.contains("steve"), "{finished}");
    }
}

mod of_gcloud {
    use super::*;

    #[test]
    fn its_service_account_is_acted_as() {
        const VARIABLE: &str = "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT";
        let robot = |name: &str| format!("{name}@{PROJECT}.iam.gserviceaccount.com");
        let world = World::signed_in(result());
        sign_in(&world);
        let configuration = "[core]\naccount = steve@example.org\n[auth]\nimpersonate_service_account = ";
        world
            .home
            .write("gcloud/configurations/config_work", &format!("{configuration}{}\n", robot("property")));
        let _ = quill_admin(&world, SHOW).output().exits(0);
        let _ = quill_admin(&world, SHOW).env(VARIABLE, robot("variable")).output().exits(0);
        let _ = quill_admin(&world, SHOW).env(VARIABLE, "").output().exits(0);
        let chain = format!("{},{}", robot("through"), robot("last"));
        let _ = quill_admin(&world, SHOW).env(VARIABLE, chain).output().exits(0);
        let whoami = quill_admin(&world, ["whoami", "-e", "staging"]).output().exits(0);
        assert!(whoami.stdout.contains(&format!("acts as          {}", robot("property"))), "{whoami}");
        // The environment's setting takes precedence.
        let file = world.home.read("environments.yaml");
        let acting = format!("impersonate_service_account: {}, project: {PROJECT},", robot("environment"));
        let file = file.replace(&format!("project: {PROJECT},"), &acting);
        world.home.write("environments.yaml", &file);
        let _ = quill_admin(&world, SHOW).env(VARIABLE, robot("variable")).output().exits(0);

        let mut executions = world.emulator.executions(JOB);
        executions.sort_by_key(|one| one["createTime"].as_str().map(str::to_owned));
        let creators: Vec<_> =
            executions.iter().map(|one| one["creator"].as_str().expect("a text")).collect();
        let user = "steve@example.org".to_owned();
        let wanted = [robot("property"), robot("variable"), user, robot("last"), robot("environment")];
        assert_eq!(creators, wanted);
        let calls = world.emulator.calls();
        let delegates = calls.iter().filter(|call| call.path.ends_with(":generateAccessToken"));
        let delegates: Vec<_> = delegates.map(|call| call.body["delegates"].clone()).collect();
        assert!(delegates.iter().any(|list| list.to_string().contains(&robot("through"))), "{delegates:?}");
    }

    #[test]
    fn the_account_of_its_variable_is_acted_as_with_every_sign_in() {
        const VARIABLE: &str = "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT";
        let robot = |name: &str| format!("{name}@{PROJECT}.iam.gserviceaccount.com");
        let world = World::signed_in(result());
        sign_in(&world);
        let key = "gcloud/legacy_credentials/steve@example.org/adc.json";
        let with_key = || quill_admin(&world, SHOW).env("GOOGLE_APPLICATION_CREDENTIALS", key);
        let _ = with_key().env(VARIABLE, robot("variable")).output().exits(0);
        let _ = with_key().env(VARIABLE, "").output().exits(0);
        // gcloud's configuration is for gcloud's own sign-in.
        let property = format!("[auth]\nimpersonate_service_account = {}\n", robot("property"));
        world.home.write("gcloud/configurations/config_work", &property);
        let _ = with_key().output().exits(0);
        let default = "gcloud/application_default_credentials.json";
        world.home.write(default, &world.home.read(key));
        let _ = quill_admin(&world, SHOW).env(VARIABLE, robot("default")).output().exits(0);

        let mut executions = world.emulator.executions(JOB);
        executions.sort_by_key(|one| one["createTime"].as_str().map(str::to_owned));
        let creators: Vec<_> =
            executions.iter().map(|one| one["creator"].as_str().expect("a text")).collect();
        let user = "steve@example.org".to_owned();
        assert_eq!(creators, [robot("variable"), user.clone(), user, robot("default")]);
    }

    #[test]
    fn it_is_asked_itself_where_google_wants_to_see_the_person_again() {
        const WHY: &str = "reauth related error (invalid_rapt)";
        let world = World::signed_in(result());
        sign_in(&world);
        world.emulator.refuse_refresh(Some(WHY));
        gcloud(&world.home, &format!("echo \"$@\" >> calls; echo {TOKEN}"));
        let _ = quill_admin(&world, SHOW).output().exits(0);
        assert_eq!(world.home.read("calls"), "auth print-access-token --quiet\n");

        gcloud(&world.home, "echo 'ERROR: Reauthentication failed. cannot prompt' >&2; exit 1");
        let finished = quill_admin(&world, SHOW).output().exits(20);
        for part in
            [WHY, "gcloud auth print-access-token: ERROR: Reauthentication failed", "quill-admin login"]
        {
            assert!(finished.stderr.contains(part), "{part}: {finished}");
        }
        // After another refusal gcloud cannot help.
        world.emulator.refuse_refresh(Some("Token has been expired or revoked."));
        let finished = quill_admin(&world, SHOW).output().exits(20);
        assert!(!finished.stderr.contains("print-access-token"), "{finished}");
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_told_with_what_to_do() {
        const HOST: &str = "cloud.example.test";
        let world = World::scripted(result());
        world.home.write("token", TOKEN);
        let front = Front::new(&world.home, &world.emulator.address().to_string(), &[HOST]);
        let proxy = ConnectProxy::leading(HOST, front.port());
        settings(&world, &format!("endpoint: \"https://{HOST}\""));
        let run = |args: &[&str]| {
            world
                .quill_admin(args.iter().copied())
                .args(["--access-token-file", "token", "--trust-host", HOST, "--config", "environments.yaml"])
                .env("HTTPS_PROXY", proxy.url())
                .env("CLOUDSDK_CONFIG", world.home.work().join("gcloud"))
                .output()
        };
        let told = "the server's certificate is from an issuer that this machine does not trust";
        let finished = run(&SHOW).exits(23);
        assert!(
            finished.stderr.contains(told) && finished.stderr.contains("SSL_CERT_FILE=FILE"),
            "{finished}"
        );
        assert!(!finished.stderr.contains("core/custom_ca_certs_file"), "{finished}");
        let property = "[core]\ncustom_ca_certs_file = /etc/corp/ca bundle.pem\n";
        world.home.write("gcloud/configurations/config_default", property);
        let finished = run(&SHOW).exits(23);
        let hint = "gcloud has such certificates (core/custom_ca_certs_file): export SSL_CERT_FILE='/etc/corp/ca bundle.pem'";
        assert!(finished.stderr.contains(hint), "{finished}");
    }
}
