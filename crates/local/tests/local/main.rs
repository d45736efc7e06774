//! The local environment from outside: started, used, ended in every possible way, and started again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod scratch;
mod tables;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use quill_admin_local::{Container, Local, LocalError, LocalOptions, Script, Stage, Tables, reset, status};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::postgres::{AUGUST_2026, SEED_ROLES};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_postgres::NoTls;

const JOB: &str = "projects/quill-medical-local/locations/europe-west2/jobs/quill-admin-local";

fn tables_of(schema: &str) -> Tables {
    let script = |name: &str, sql: &str| Script { name: name.into(), sql: sql.into() };
    Tables { schema: script("schema.sql", schema), seed: script("seed.sql", SEED_ROLES) }
}

fn options(state_dir: &Path) -> LocalOptions {
    LocalOptions {
        actions: None,
        command: "check".to_owned(),
        state_dir: state_dir.to_owned(),
        container: Container::Program { program: "/bin/sh".into(), args: vec!["-c".into(), "env".into()] },
        project: "quill-medical-local".into(),
        region: "europe-west2".into(),
        job: "quill-admin-local".into(),
        image: "europe-west2-docker.pkg.dev/quill-medical-local/quill/admin@sha256:00".into(),
        tables: tables_of(AUGUST_2026),
        database: "quill_auth".into(),
        user: "quill".into(),
        schema: "public".to_owned(),
        password_secret: "auth-db-password".into(),
        annotations: std::collections::BTreeMap::new(),
        provisioning_delay: Duration::ZERO,
    }
}

async fn start(state_dir: &Path) -> Local {
    Local::start(options(state_dir), |_| {}).await.unwrap()
}

async fn start_watched(state_dir: &Path) -> (Local, Vec<Stage>) {
    let (sink, stages) = mpsc::channel();
    let local = Local::start(options(state_dir), move |stage| sink.send(stage).unwrap()).await.unwrap();
    (local, stages.try_iter().collect())
}

async fn connect(local: &Local) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(local.database_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

const PORTER: &str = "INSERT INTO roles (name) VALUES ('Porter')";

async fn porters(local: &Local) -> i64 {
    let client = connect(local).await;
    client.query_one("SELECT count(*) FROM roles WHERE name = 'Porter'", &[]).await.unwrap().get(0)
}

/// Sends one request to the emulator. The emulator runs on the test's own runtime, which the request must not
/// block.
async fn call(local: &Local, method: &str, path: &str, body: &Value) -> Value {
    let address = local.endpoint().strip_prefix("http://").unwrap().to_owned();
    let request = Request::new(method, path).json(body);
    tokio::task::spawn_blocking(move || request.send(&address)).await.unwrap().expect(200).json()
}

#[tokio::test]
async fn what_happened_is_there_at_the_next_start_and_gone_after_a_reset() {
    let home = TempDir::new().unwrap();
    let state_dir = home.path().join(".quill-admin/local");
    assert!(!status(&state_dir).unwrap().exists);
    assert!(!state_dir.exists(), "looking must not create anything");
    assert!(!reset(&state_dir, |_| {}).unwrap());

    let (local, stages) = start_watched(&state_dir).await;
    let first = [
        Stage::UnpackingDatabase,
        Stage::StartingDatabase,
        Stage::CreatingTables,
        Stage::StartingCloud,
        Stage::Ready,
    ];
    assert_eq!(stages, first);
    let contents = local.contents().await.unwrap();
    assert_eq!((contents.users, contents.executions), (0, 0));

    // The container is started with the variables of the job, and none of this process's.
    let operation = call(&local, "POST", &format!("/v2/{JOB}:run"), &json!({})).await;
    let operation = operation["name"].as_str().unwrap();
    let done = call(&local, "POST", &format!("/v2/{operation}:wait"), &json!({"timeout": "10s"})).await;
    assert_eq!(done["response"]["succeededCount"], 1, "{done}");
    let log = call(
        &local,
        "POST",
        "/v2/entries:list",
        &json!({"resourceNames": ["projects/quill-medical-local"], "pageSize": 100}),
    )
    .await;
    let lines: Vec<&str> =
        log["entries"].as_array().unwrap().iter().filter_map(|entry| entry["textPayload"].as_str()).collect();
    let port = local.database_url().split(['@', '/', ':']).rev().nth(1).unwrap().to_owned();
    for line in [
        "AUTH_DB_HOST=127.0.0.1".to_owned(),
        format!("AUTH_DB_PORT={port}"),
        "AUTH_DB_NAME=quill_auth".to_owned(),
        "AUTH_DB_USER=quill".to_owned(),
        "AUTH_DB_SSLMODE=disable".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} is missing in {lines:?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("AUTH_DB_PASSWORD=")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("HOME=")), "{lines:?}");

    connect(&local).await.batch_execute(PORTER).await.unwrap();

    // A second start meanwhile is refused at once.
    let second = Local::start(options(&state_dir), |_| {}).await.err().unwrap();
    assert!(
        matches!(&second, LocalError::InUse { holder, .. } if holder.process == Some(std::process::id())),
        "{second}"
    );
    assert!(matches!(reset(&state_dir, |_| {}), Err(LocalError::InUse { .. })));
    let running = status(&state_dir).unwrap();
    assert!(running.exists && running.in_use);
    local.shutdown().await.unwrap();

    let (local, stages) = start_watched(&state_dir).await;
    assert_eq!(stages, [Stage::StartingDatabase, Stage::StartingCloud, Stage::Ready]);
    assert_eq!(porters(&local).await, 1);
    assert_eq!(local.contents().await.unwrap().executions, 1);
    local.shutdown().await.unwrap();

    let resting = status(&state_dir).unwrap();
    assert!(resting.exists && !resting.in_use);
    assert!(resting.bytes > 1_000_000);
    assert!(reset(&state_dir, |_| {}).unwrap());
    assert!(!status(&state_dir).unwrap().exists);
    let left: Vec<_> = fs::read_dir(&state_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let mut left = left;
    left.sort();
    assert_eq!(left, ["lock", "quill-admin-local"]);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_look_into_the_state() {
    use std::os::unix::fs::PermissionsExt;
    let home = TempDir::new().unwrap();
    let state_dir = home.path().join("local");
    // The folder exists already, with other permissions.
    fs::create_dir(&state_dir).unwrap();
    fs::set_permissions(&state_dir, fs::Permissions::from_mode(0o755)).unwrap();
    start(&state_dir).await.shutdown().await.unwrap();
    assert_eq!(fs::metadata(&state_dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(state_dir.join(".gitignore")).unwrap(), "*\n");
}

/// Connections that break off, as those of a killed container do. Without the relay, the embedded server
/// would not answer anybody afterwards.
#[tokio::test]
async fn a_connection_that_breaks_off_is_rolled_back_and_the_next_one_is_served() {
    let home = TempDir::new().unwrap();
    let local = start(home.path()).await;
    let address: std::net::SocketAddr = {
        let url = local.database_url();
        url.split(['@', '/']).rev().nth(1).unwrap().parse().unwrap()
    };
    for _ in 0..3 {
        let stream = TcpStream::connect(address).await.unwrap();
        // The connection is reset without a message, as after a kill.
        stream.set_zero_linger().unwrap();
        let mut config = tokio_postgres::Config::new();
        let (client, connection) =
            config.user("quill").dbname("quill_auth").connect_raw(stream, NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute("BEGIN").await.unwrap();
        client.batch_execute(PORTER).await.unwrap();
        driver.abort();
        let _ = driver.await;
        assert_eq!(timeout(Duration::from_secs(30), porters(&local)).await.unwrap(), 0);
    }
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_ends_while_somebody_is_connected() {
    let home = TempDir::new().unwrap();
    let local = start(home.path()).await;
    let client = connect(&local).await;
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(PORTER).await.unwrap();
    timeout(Duration::from_secs(30), local.shutdown()).await.unwrap().unwrap();
    assert!(client.batch_execute("COMMIT").await.is_err());

    let local = start(home.path()).await;
    assert_eq!(porters(&local).await, 0);
    // The environment is dropped instead of shut down, as after an error: it has to unlock its state all the
    // same.
    drop(local);
    start(home.path()).await.shutdown().await.unwrap();
}

/// The variable that tells this test binary, started again by itself, at which point it is to be killed.
const KILL_ME_AT: &str = "QUILL_ADMIN_LOCAL_TEST_KILL_ME_AT";
const STATE_DIR: &str = "QUILL_ADMIN_LOCAL_TEST_STATE_DIR";

/// The process that the tests below kill; it is no test of its own.
#[tokio::test]
async fn victim() {
    let (Some(moment), Some(state_dir)) = (env::var_os(KILL_ME_AT), env::var_os(STATE_DIR)) else { return };
    let here = move |stage: &str| {
        if moment == *stage {
            // The line is written to stderr directly, which the test harness does not capture.
            std::io::Write::write_all(&mut std::io::stderr(), b"now\n").unwrap();
            loop {
                std::thread::park();
            }
        }
    };
    let at_stage = here.clone();
    let local =
        Local::start(options(&PathBuf::from(state_dir)), move |stage| at_stage(&format!("{stage:?}")))
            .await
            .unwrap();
    connect(&local).await.batch_execute(PORTER).await.unwrap();
    here("committed");
    unreachable!("there is no such moment");
}

struct Victim(Child);

impl Victim {
    fn at(moment: &str, state_dir: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["victim", "--exact"])
            .env(KILL_ME_AT, moment)
            .env(STATE_DIR, state_dir)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "now"), "it never came to {moment}");
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_committed() {
    let home = TempDir::new().unwrap();
    let victim = Victim::at("committed", home.path());
    let id = victim.0.id();
    let refused = Local::start(options(home.path()), |_| {}).await.err().unwrap();
    assert!(matches!(&refused, LocalError::InUse { holder, .. } if holder.process == Some(id)), "{refused}");
    victim.kill();
    let local = start(home.path()).await;
    assert_eq!(porters(&local).await, 1);
    local.shutdown().await.unwrap();
}

/// The embedded server writes these files in place with each start: killed at that moment, it leaves them
/// damaged.
#[tokio::test]
async fn a_start_that_was_killed_while_it_wrote_the_manifests_is_put_right_by_the_next() {
    let home = TempDir::new().unwrap();
    let local = start(home.path()).await;
    connect(&local).await.batch_execute(PORTER).await.unwrap();
    local.shutdown().await.unwrap();
    let below = home.path().join("database/tmp/pglite");
    let files =
        [".pglite-oxide-runtime-layout.json", "base/.pglite-oxide-pgdata-overlay.json", "base/PG_VERSION"];
    for (file, kept) in files.iter().flat_map(|file| [(file, 0), (file, 1)]) {
        let path = below.join(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..kept]).unwrap();
        fs::write(home.path().join(".tmpLeft"), "of a file that was being written").unwrap();
        let local = start(home.path()).await;
        assert_eq!(porters(&local).await, 1, "{file} with {kept} bytes");
        local.shutdown().await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "{file}");
        assert!(!home.path().join(".tmpLeft").exists());
    }
}

#[tokio::test]
async fn a_first_start_that_is_killed_half_way_is_begun_again() {
    let home = TempDir::new().unwrap();
    for moment in ["StartingDatabase", "CreatingTables", "StartingCloud"] {
        Victim::at(moment, home.path()).kill();
        assert!(!status(home.path()).unwrap().exists, "{moment}");
    }
    // So is one that is killed while it deletes what the one before has left.
    for left in ["database", "cloud.json", ".gitignore"] {
        let path = home.path().join(left);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        assert!(!status(home.path()).unwrap().exists, "{left}");
    }
    Victim::at("CreatingTables", home.path()).kill();
    let local = start(home.path()).await;
    let roles: i64 = connect(&local).await.query_one("SELECT count(*) FROM roles", &[]).await.unwrap().get(0);
    assert_eq!(roles, 6);
    local.shutdown().await.unwrap();
}

/// A state that lacks a file is not replaced by an empty one.
#[tokio::test]
async fn a_complete_state_without_one_of_its_files_is_damaged() {
    for file in ["layout.json", "cloud.json"] {
        let home = TempDir::new().unwrap();
        start(home.path()).await.shutdown().await.unwrap();
        let path = home.path().join(file);
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        for _ in 0..2 {
            let told = Local::start(options(home.path()), |_| {}).await.err().unwrap();
            for told in [told, status(home.path()).unwrap_err()] {
                assert!(matches!(&told, LocalError::Damaged { path: told, .. } if *told == path), "{told}");
            }
        }
        // Nothing has been lost, and a reset need not understand it.
        fs::write(&path, content).unwrap();
        let (local, stages) = start_watched(home.path()).await;
        assert!(!stages.contains(&Stage::CreatingTables), "{stages:?}");
        local.shutdown().await.unwrap();
        fs::remove_file(&path).unwrap();
        assert!(reset(home.path(), |_| {}).unwrap());
        assert!(!status(home.path()).unwrap().exists);
        start(home.path()).await.shutdown().await.unwrap();
    }
}

/// What is deleted is announced, and nothing else.
#[tokio::test]
async fn a_reset_announces_only_what_it_begins() {
    let home = TempDir::new().unwrap();
    let state = home.path().join("local");
    let told = || {
        let bytes = std::cell::Cell::new(None);
        let existed = reset(&state, |size| bytes.set(size)).unwrap();
        (existed, bytes.get())
    };
    assert_eq!(told(), (false, None));
    start(&state).await.shutdown().await.unwrap();
    let (existed, bytes) = told();
    assert!(existed && bytes.is_some_and(|bytes| bytes > 1_000_000), "{bytes:?}");
    assert_eq!(told(), (false, None));
}

#[tokio::test]
async fn a_state_of_another_version_is_refused_by_name() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("layout.json"), r#"{"format": 99}"#).unwrap();
    let refused = Local::start(options(home.path()), |_| {}).await.err().unwrap();
    assert!(matches!(refused, LocalError::Format { found: 99, .. }), "{refused}");
    // A reset need not understand the state.
    assert!(reset(home.path(), |_| {}).unwrap());
    start(home.path()).await.shutdown().await.unwrap();
}

/// All entries below a folder: names, modes and contents.
#[cfg(unix)]
fn picture(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    use std::os::unix::fs::PermissionsExt;
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let content = if found.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        all.push((path.clone(), found.permissions().mode(), content));
        if found.is_dir() {
            all.extend(picture(&path));
        }
    }
    all.sort();
    all
}

/// Puts a file, folder or link in the place of the state, beside files that must not be touched.
#[cfg(unix)]
type Prepare<'a> = Box<dyn Fn(&Path, &Path) + 'a>;

#[cfg(unix)]
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one list of cases")]
async fn what_it_did_not_make_is_neither_deleted_nor_changed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let made_by = |prepare: &dyn Fn(&Path, &Path)| {
        let home = TempDir::new().unwrap();
        let precious = home.path().join("precious");
        fs::create_dir_all(precious.join("local")).unwrap();
        fs::create_dir_all(precious.join("database")).unwrap();
        for name in ["thesis.tex", "local/thesis.tex", "database/thesis.tex"] {
            fs::write(precious.join(name), "precious").unwrap();
        }
        fs::set_permissions(&precious, fs::Permissions::from_mode(0o755)).unwrap();
        let state = home.path().join(".quill-admin/local");
        prepare(&state, &precious);
        (home, state)
    };
    let own = |state: &Path| {
        fs::create_dir_all(state).unwrap();
        fs::write(state.join("layout.json"), r#"{"format": 1}"#).unwrap();
        fs::write(state.join("quill-admin-local"), "").unwrap();
    };
    let cases: Vec<(&str, Prepare<'_>)> = vec![
        (
            "the folder is a link",
            Box::new(|state, precious| {
                fs::create_dir(state.parent().unwrap()).unwrap();
                symlink(precious, state).unwrap();
            }),
        ),
        (
            "the folder is a link into nothing",
            Box::new(|state, precious| {
                fs::create_dir(state.parent().unwrap()).unwrap();
                symlink(precious.join("nothing"), state).unwrap();
            }),
        ),
        (
            "its parent is a link",
            Box::new(|state, precious| symlink(precious, state.parent().unwrap()).unwrap()),
        ),
        (
            "the folder is a file",
            Box::new(|state, _| {
                fs::create_dir(state.parent().unwrap()).unwrap();
                fs::write(state, "x").unwrap();
            }),
        ),
        (
            "the database is a link",
            Box::new(|state, precious| {
                own(state);
                symlink(precious.join("database"), state.join("database")).unwrap();
            }),
        ),
        (
            "a link in the database",
            Box::new(|state, precious| {
                own(state);
                fs::create_dir_all(state.join("database/base")).unwrap();
                symlink(precious, state.join("database/base/1")).unwrap();
            }),
        ),
        (
            "a file is a link",
            Box::new(|state, precious| {
                own(state);
                symlink(precious.join("thesis.tex"), state.join("cloud.json")).unwrap();
            }),
        ),
        (
            "the marker is a link",
            Box::new(|state, precious| {
                fs::create_dir_all(state).unwrap();
                symlink(precious.join("thesis.tex"), state.join("quill-admin-local")).unwrap();
            }),
        ),
        (
            "somebody's file in it",
            Box::new(|state, _| {
                own(state);
                fs::write(state.join("notes.txt"), "mine").unwrap();
            }),
        ),
        (
            "somebody's folder",
            Box::new(|state, _| {
                fs::create_dir_all(state.join("database")).unwrap();
                fs::write(state.join("database/mine"), "mine").unwrap();
                fs::write(state.join("lock"), "").unwrap();
            }),
        ),
    ];
    for (case, prepare) in cases {
        let (home, state) = made_by(&*prepare);
        let before = picture(home.path());
        for refused in [
            Local::start(options(&state), |_| {}).await.err(),
            reset(&state, |_| {}).err(),
            status(&state).err(),
        ] {
            let refused = refused.unwrap_or_else(|| panic!("{case}: not refused"));
            assert!(matches!(refused, LocalError::NotOurs { .. }), "{case}: {refused}");
        }
        assert_eq!(picture(home.path()), before, "{case}");
    }
}

#[tokio::test]
async fn a_state_of_before_the_marker_is_taken_over() {
    let home = TempDir::new().unwrap();
    let state = home.path().join(".quill-admin/local");
    start(&state).await.shutdown().await.unwrap();
    fs::remove_file(state.join("quill-admin-local")).unwrap();
    let (local, stages) = start_watched(&state).await;
    assert!(!stages.contains(&Stage::CreatingTables), "it was not begun again: {stages:?}");
    local.shutdown().await.unwrap();
    assert!(state.join("quill-admin-local").exists());
    assert!(reset(&state, |_| {}).unwrap());
}
