//! Every request survives the way through the environment unchanged, and every bad one is refused
//! with all its problems at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use quill_admin_actions::Actions;
use quill_admin_contract::invisible::invisible;
use quill_admin_contract::{
    Actor, AdminAction, Argument, Arguments, AsLeft, Bulk, BulkRow, CONTRACT_OLDEST, CONTRACT_VERSION,
    Connection, EnvError, ExitCode, Invocation, Left, LogFormat, MODES_SINCE, Mode, Origin, ProofKey, Reason,
    Request, RequestId, RunContext, Secret, TlsMode, Undoing, Variables,
};

const HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1sJzVLmYRhY";

/// The actions of this repository.
static ACTIONS: LazyLock<Actions> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../application");
    quill_admin_application::read(&folder).expect("they are valid").actions
});

type Env = BTreeMap<String, String>;

fn database() -> Env {
    env(&[("AUTH_DB_HOST", "db"), ("AUTH_DB_NAME", "quill"), ("AUTH_DB_PASSWORD", "db secret ")])
}

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(env: &Env) -> Result<Invocation, EnvError> {
    Invocation::from_env(&variables(env), None, &ACTIONS)
}

fn variables(env: &Env) -> Variables {
    Variables::new(env.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))))
}

fn refused(env: &Env) -> String {
    read(env).expect_err("must be refused").to_string()
}

fn with(more: &[(&str, &str)]) -> Env {
    let mut all = database();
    all.extend(env(more));
    all
}

/// Text without invisible characters or surrounding white space, of 1 to `max` characters.
fn text(max: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>().prop_filter("visible", |c| invisible(*c).is_none()), 1..=max)
        .prop_map(|chars| chars.into_iter().collect::<String>().trim().to_owned())
        .prop_filter("not blank", |text| !text.is_empty())
}

fn email() -> impl Strategy<Value = String> {
    let part = || {
        text(100)
            .prop_map(|text| {
                text.chars().filter(|c| !"@<>,;".contains(*c) && !c.is_whitespace()).collect::<String>()
            })
            .prop_filter("not blank", |text| !text.is_empty())
    };
    (part(), part()).prop_map(|(local, domain)| format!("{local}@{domain}"))
}

/// A review with everything in it.
const REVIEW: &str = r#"{"from":"2026-11-20T08:00:00Z","until":"2026-11-27T08:00:00.5Z","runs":12,"marked":2,"not_seen":["log_unread"],"sha256":"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"}"#;

fn action() -> impl Strategy<Value = AdminAction> {
    let user = || ("ADMIN_USERNAME", text(150).boxed());
    let fixed = |value: &'static str| Just(value.to_owned()).boxed();
    let level = || proptest::sample::select(&["patient", "single-user", "staff", "admin", "superadmin"][..]);
    let roles = proptest::collection::btree_set(text(64), 1..5)
        .prop_map(|roles| roles.into_iter().collect::<Vec<_>>().join("\n"));
    let request = |name: &'static str, values: Vec<(&'static str, BoxedStrategy<String>)>| {
        let (names, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        values.prop_map(move |values| {
            let mut env = env(&[("ADMIN_ACTION", name)]);
            env.extend(names.iter().map(|name| (*name).to_owned()).zip(values));
            AdminAction::from_env(&variables(&env), &ACTIONS).expect("they are valid")
        })
    };
    prop_oneof![
        request(
            "create-superadmin",
            vec![user(), ("ADMIN_EMAIL", email().boxed()), ("ADMIN_PASSWORD_HASH", fixed(HASH))],
        ),
        request(
            "create-user",
            vec![
                user(),
                ("ADMIN_EMAIL", email().boxed()),
                ("ADMIN_PASSWORD_HASH", fixed(HASH)),
                ("ADMIN_PERMISSION", level().prop_map(str::to_owned).boxed()),
                ("ADMIN_ROLE", roles.boxed()),
            ],
        ),
        request(
            "update-permissions",
            vec![user(), ("ADMIN_PERMISSION", level().prop_map(str::to_owned).boxed())],
        ),
        request("add-role", vec![user(), ("ADMIN_ROLE", text(64).boxed())]),
        request("show-user", vec![user()]),
        request("list-users", vec![("ADMIN_INACTIVE", fixed("true"))]),
        request("check", vec![]),
        request("review", vec![("ADMIN_REVIEW", fixed(REVIEW))]),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    let plan = proptest::string::string_regex("[0-9a-f]{64}").expect("a pattern");
    let plan = plan.prop_map(|digits| Mode::RunAsPreviewed(digits.parse().expect("a digest")));
    prop_oneof![Just(Mode::Run), Just(Mode::Preview), plan]
}

fn undoing() -> impl Strategy<Value = Undoing> {
    let left = prop_oneof![
        proptest::option::of(text(40)).prop_map(Left::Is),
        text(40).prop_map(Left::Has),
        text(40).prop_map(Left::Lacks),
    ];
    let one = (text(20), left).prop_map(|(field, left)| AsLeft { field, left });
    (text(40), proptest::collection::vec(one, 0..4))
        .prop_map(|(execution, as_left)| Undoing { execution, as_left })
}

proptest! {
    #[test]
    fn every_request_comes_through(
        action in action(),
        id in any::<bool>(),
        actor in proptest::option::of(text(255)),
        reason in proptest::option::of(text(500)),
        origin in proptest::option::of(text(500)),
        contract in CONTRACT_OLDEST..=CONTRACT_VERSION,
        keyed in any::<bool>(),
        mode in mode(),
        undoes in proptest::option::of(undoing()),
    ) {
        // There are no modes before version 4, and what only reads has none.
        let mode = if contract >= MODES_SINCE && action.writes() { mode } else { Mode::Run };
        let request = Request {
            action,
            bulk: None,
            id: id.then(RequestId::new),
            actor: actor.map(|text| text.parse::<Actor>().expect("valid actor")),
            reason: reason.map(|text| text.parse::<Reason>().expect("valid reason")),
            origin: origin.map(|text| text.parse::<Origin>().expect("valid origin")),
            contract,
            mode,
            undoes: undoes.filter(|_| contract >= MODES_SINCE),
            // Version 1 has no keys.
            proof_key: (keyed && contract >= 2).then(ProofKey::generate),
        };
        let mut env = database();
        for (name, value) in request.to_env() {
            prop_assert!(env.insert(name.clone(), value).is_none(), "{name} is given once");
        }
        let invocation = read(&env).expect("a valid request is read");
        prop_assert_eq!(&invocation.request, &request);
        prop_assert!(invocation.plaintext.is_empty());

        let vars = variables(&env);
        prop_assert_eq!(AdminAction::from_env(&vars, &ACTIONS), Ok(request.action.clone()));
        let context = RunContext::from_env(&vars, |_| true);
        prop_assert_eq!(context.request_id, request.id);
        prop_assert_eq!(context.action.as_deref(), Some(request.action.name()));
        prop_assert_eq!(context.actor, request.actor);
        prop_assert_eq!(context.reason, request.reason);
        prop_assert_eq!(context.origin, request.origin);
    }

    #[test]
    fn many_rows_come_through(
        actions in proptest::collection::vec((action(), any::<bool>(), proptest::option::of(any::<i64>())), 1..6),
        atomic in any::<bool>(),
        max_errors in proptest::option::of(0..300u64),
    ) {
        // All rows are of the action of the first.
        let first = actions[0].0.clone();
        prop_assume!(!["check", "list-users", "review"].contains(&first.name()));
        let plan = || Some("ab".repeat(32).parse().expect("a digest"));
        let rows = actions.iter().filter(|(action, ..)| action.name() == first.name()).zip(1..);
        let rows: Vec<BulkRow> = rows
            .map(|((action, expects, began), number)| BulkRow {
                number,
                arguments: action.arguments().clone(),
                expect: plan().filter(|_| *expects),
                began: *began,
            })
            .collect();
        prop_assert_eq!(Bulk::fitting(&rows), rows.len());
        let action = first.with(Arguments::default());
        let request = Request { bulk: Some(Bulk { rows, atomic, max_errors }), ..Request::new(action, None, None) };
        let mut env = database();
        for (name, value) in request.to_env() {
            prop_assert!(value.len() <= 32_000 || !name.starts_with("ADMIN_ROWS_"), "{name}");
            prop_assert!(env.insert(name.clone(), value).is_none(), "{name} is given once");
        }
        prop_assert_eq!(read(&env).expect("a valid request is read").request, request);
    }

    #[test]
    fn no_environment_panics_or_prints_a_secret(
        values in proptest::collection::btree_map("ADMIN_(ACTION|USERNAME|EMAIL|ROLE|REQUEST_ID|CONTRACT)|AUTH_DB_(HOST|PORT|SSLMODE)", any::<String>(), 0..9)
    ) {
        let mut env = values;
        env.insert("ADMIN_PASSWORD".to_owned(), " planted-secret".to_owned());
        env.insert("ADMIN_PASSWORD_HASH".to_owned(), "planted-secret".to_owned());
        env.insert("AUTH_DB_PASSWORD".to_owned(), "planted-secret".to_owned());
        if let Err(error) = read(&env) {
            let printed = format!("{error} {error:?}");
            prop_assert!(!printed.contains("planted-secret"), "{}", printed);
        }
    }
}

#[test]
fn no_action_says_the_sentence_people_know() {
    let message = refused(&database());
    assert_eq!(
        message,
        "ADMIN_ACTION environment variable is required: one of create-superadmin, update-permissions, \
         add-role, remove-role, show-user, list-users, create-user, verify-email, reset-totp, set-password, \
         deactivate, activate, seed-roles, check"
    );
    let message = refused(&env(&[("ADMIN_ACTION", "  ")]));
    assert!(message.contains("ADMIN_ACTION environment variable is required"), "{message}");
    assert!(
        message.ends_with("missing variables: AUTH_DB_HOST, AUTH_DB_NAME, AUTH_DB_PASSWORD"),
        "{message}"
    );
}

#[test]
fn everything_missing_is_named_at_once() {
    assert_eq!(
        refused(&env(&[("ADMIN_ACTION", "create-superadmin"), ("ADMIN_EMAIL", " ")])),
        "missing variables: ADMIN_USERNAME, ADMIN_EMAIL, ADMIN_PASSWORD_HASH, AUTH_DB_HOST, AUTH_DB_NAME, AUTH_DB_PASSWORD"
    );
    assert_eq!(
        refused(&with(&[("ADMIN_ACTION", "add-role"), ("ADMIN_USERNAME", "a\nb")])),
        "ADMIN_USERNAME: the username contains a control character (U+000A, line feed) at position 2; \
         none are allowed; missing variable: ADMIN_ROLE"
    );
}

#[test]
fn a_newer_contract_is_refused_before_anything_else() {
    let newer = (CONTRACT_VERSION + 1).to_string();
    let error = read(&env(&[("ADMIN_ACTION", "an-action-of-the-future"), ("ADMIN_CONTRACT", &newer)]))
        .expect_err("must be refused");
    assert_eq!(error.exit_code(), ExitCode::ImageTooOld);
    assert!(error.to_string().contains("quill-admin build"), "{error}");

    let error = read(&with(&[("ADMIN_ACTION", "check"), ("ADMIN_CONTRACT", "one")])).expect_err("refused");
    assert_eq!(error.exit_code(), ExitCode::Usage);
    assert!(read(&with(&[("ADMIN_ACTION", "check"), ("ADMIN_CONTRACT", "1")])).is_ok());
}

#[test]
fn another_action_of_the_same_name_is_refused() {
    let show = ACTIONS.get("show-user").expect("it is there");
    let asked = |digest: &str| {
        let task = [("ADMIN_ACTION", "show-user"), ("ADMIN_USERNAME", "a"), ("ADMIN_ACTION_DIGEST", digest)];
        read(&with(&task))
    };
    assert!(asked(show.digest().as_str()).is_ok());
    let error = asked(&"ab".repeat(32)).expect_err("another action");
    assert_eq!(error.exit_code(), ExitCode::ImageTooOld);
    let message = error.to_string();
    for part in ["the action show-user of this image", show.digest().short(), "abababababab"] {
        assert!(message.contains(part), "{message}");
    }
    let error = asked("ABC").expect_err("no digest");
    assert_eq!(error.exit_code(), ExitCode::Usage);
    assert!(error.to_string().starts_with("ADMIN_ACTION_DIGEST: "), "{error}");
}

#[test]
fn a_plaintext_password_is_hashed_and_told() {
    let base = [("ADMIN_ACTION", "create-superadmin"), ("ADMIN_USERNAME", "a"), ("ADMIN_EMAIL", "a@b")];
    let mut env = with(&base);
    env.insert("ADMIN_PASSWORD".into(), "correct horse".into());
    let invocation = read(&env).expect("accepted");
    assert_eq!(invocation.plaintext, ["ADMIN_PASSWORD"]);
    let Some(Argument::Password(hash)) = invocation.request.action.arguments().get("password") else {
        panic!("{:?}", invocation.request.action)
    };
    assert_eq!(hash.expose().len(), 97);

    env.insert("ADMIN_PASSWORD_HASH".into(), HASH.into());
    assert_eq!(refused(&env), "give ADMIN_PASSWORD_HASH or ADMIN_PASSWORD, not both");

    env.remove("ADMIN_PASSWORD");
    env.insert("ADMIN_PASSWORD_HASH".into(), format!("{HASH}\n"));
    assert!(refused(&env).starts_with("ADMIN_PASSWORD_HASH: the password hash must be"));
}

#[test]
fn the_connection_is_read_under_both_names() {
    let check = ("ADMIN_ACTION", "check");
    let connection = |pairs: &[(&str, &str)]| -> Connection {
        let mut all = env(pairs);
        all.insert(check.0.into(), check.1.into());
        read(&all).expect("valid").connection
    };
    let defaults =
        connection(&[("AUTH_DB_HOST", "h"), ("AUTH_DB_NAME", "quill_auth"), ("AUTH_DB_PASSWORD", " p ")]);
    assert_eq!(
        defaults,
        Connection {
            host: "h".into(),
            port: 5432,
            database: "quill_auth".into(),
            user: "quill".into(),
            password: Secret::new(" p ".into()),
            tls: TlsMode::Prefer,
            root_certificates: None,
            server_name: None,
            schema: None,
        }
    );
    let newer = connection(&[
        ("CORE_DB_HOST", "h"),
        ("CORE_DB_NAME", "quill_auth"),
        ("CORE_DB_PASSWORD", " p "),
        ("AUTH_DB_HOST", " "),
    ]);
    assert_eq!(newer, defaults);
    let both = connection(&[
        ("CORE_DB_HOST", "newer"),
        ("AUTH_DB_HOST", "older"),
        ("CORE_DB_NAME", "quill_core"),
        ("CORE_DB_PASSWORD", "p"),
        ("CORE_DB_SSLMODE", "require"),
        ("CORE_DB_PORT", "6432"),
    ]);
    assert_eq!((both.host.as_str(), both.port, both.tls), ("older", 6432, TlsMode::Require));
}

#[test]
fn a_host_without_a_database_is_refused_by_the_name_that_the_host_s_set_has() {
    let missing = |pairs: &[(&str, &str)]| {
        let mut all = env(pairs);
        all.insert("ADMIN_ACTION".into(), "check".into());
        refused(&all)
    };
    let core = [("CORE_DB_HOST", "h"), ("CORE_DB_PASSWORD", "p"), ("CORE_DB_NAME", " ")];
    assert_eq!(missing(&core), "missing variable: CORE_DB_NAME");
    assert_eq!(missing(&core[..1]), "missing variables: CORE_DB_NAME, CORE_DB_PASSWORD");
    assert_eq!(
        missing(&[("AUTH_DB_HOST", "h"), ("AUTH_DB_PASSWORD", "p")]),
        "missing variable: AUTH_DB_NAME"
    );
}

#[test]
fn the_connection_is_checked() {
    let check = |pairs: &[(&str, &str)]| {
        let mut all = with(pairs);
        all.insert("ADMIN_ACTION".into(), "check".into());
        refused(&all)
    };
    assert_eq!(check(&[("AUTH_DB_PORT", "0")]), "AUTH_DB_PORT: the port must be a number from 1 to 65535");
    assert_eq!(check(&[("CORE_DB_PORT", "x")]), "CORE_DB_PORT: the port must be a number from 1 to 65535");
    assert_eq!(
        check(&[("AUTH_DB_SSLMODE", "allow")]),
        "AUTH_DB_SSLMODE: unknown TLS mode \"allow\"; allowed: disable, prefer, require, verify-ca, verify-full"
    );
    assert_eq!(check(&[("AUTH_DB_SSLMODE", "verify-ca")]), "missing variable: AUTH_DB_SSLROOTCERT");
    assert_eq!(
        check(&[("ADMIN_LOG_FORMAT", "xml")]),
        "ADMIN_LOG_FORMAT: unknown log format \"xml\"; allowed: json, text"
    );
}

#[cfg(unix)]
#[test]
fn bytes_that_are_not_text_are_refused() {
    use std::os::unix::ffi::OsStringExt as _;

    let vars = Variables::new([
        (OsString::from("ADMIN_ACTION"), OsString::from("show-user")),
        (OsString::from("ADMIN_USERNAME"), OsString::from_vec(vec![b'a', 0xff])),
        (OsString::from("AUTH_DB_HOST"), OsString::from_vec(vec![0xff])),
        (OsString::from("AUTH_DB_NAME"), OsString::from("n")),
        (OsString::from("AUTH_DB_PASSWORD"), OsString::from("p")),
    ]);
    assert_eq!(
        Invocation::from_env(&vars, None, &ACTIONS).expect_err("refused").to_string(),
        "ADMIN_USERNAME: the value is not valid UTF-8; AUTH_DB_HOST: the value is not valid UTF-8"
    );
}

#[test]
fn the_log_format_follows_cloud_run() {
    let format = |pairs: &[(&str, &str)]| {
        LogFormat::from_env(&Variables::new(env(pairs).into_iter().map(|(n, v)| (n.into(), v.into()))))
    };
    assert_eq!(format(&[]), LogFormat::Text);
    assert_eq!(format(&[("CLOUD_RUN_JOB", "quill-admin-staging")]), LogFormat::Json);
    assert_eq!(format(&[("CLOUD_RUN_JOB", "j"), ("ADMIN_LOG_FORMAT", "text")]), LogFormat::Text);
    assert_eq!(format(&[("ADMIN_LOG_FORMAT", "json")]), LogFormat::Json);
}
