//! Targets are written and read back, and compared with the bytes that Terraform wrote.

use std::collections::BTreeMap;
use std::ffi::OsString;

use proptest::collection::vec;
use proptest::prelude::*;
use quill_admin_contract::{ENTRY_POINT, TARGET_OPTION, Target, TargetParts, TlsMode, Variables};
use unicode_normalization::UnicodeNormalization as _;

/// The certificates, and what `jsonencode` of Terraform 1.11 made of them: the tests of the module hold Terraform to
/// the same files.
const CURRENT: &str = include_str!("../../../infra/modules/cloud-run-job/tests/ca-current.pem");
const NEXT: &str = include_str!("../../../infra/modules/cloud-run-job/tests/ca-next.pem");
const WRITTEN: &str = include_str!("../../../infra/modules/cloud-run-job/tests/target.json");
const WRITTEN_DEFAULT: &str = include_str!("../../../infra/modules/cloud-run-job/tests/target-default.json");

fn plain() -> TargetParts {
    TargetParts {
        cas: Vec::new(),
        host: "10.20.0.3".to_owned(),
        name: "quill_core".to_owned(),
        port: 5432,
        schema: "public".to_owned(),
        server_name: None,
        tls: "require".to_owned(),
        user: "quill".to_owned(),
    }
}

#[test]
fn the_bytes_are_those_that_terraform_writes() {
    let target = Target::new(TargetParts {
        cas: vec![format!("\n{NEXT} "), CURRENT.to_owned(), CURRENT.trim().to_owned()],
        name: "quill<&>\u{2028}auth".to_owned(),
        port: 5433,
        server_name: Some("db.europe-west2.sql.goog".to_owned()),
        tls: "verify-full".to_owned(),
        user: "q\"\\e\u{301}".to_owned(),
        ..plain()
    });
    assert_eq!(target.expect("a target").to_json(), WRITTEN.trim_end());
    assert_eq!(Target::new(plain()).expect("a target").to_json(), WRITTEN_DEFAULT.trim_end());
}

fn name() -> impl Strategy<Value = String> {
    "[^\\p{C}\\p{Z}][^\\p{Cc}]{0,12}[^\\p{C}\\p{Z}]".prop_map(|text| text.nfc().collect())
}

fn ca() -> impl Strategy<Value = String> {
    "[A-Za-z0-9+/=\n]{0,40}"
        .prop_map(|body| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"))
}

prop_compose! {
    fn parts()(
        mode in prop::sample::select(TlsMode::ALL.to_vec()),
        cas in vec(ca(), 1..4),
        host in any::<std::net::IpAddr>(),
        name in name(),
        port in 1..=u16::MAX,
        schema in name(),
        server_name in name(),
        user in name(),
    ) -> TargetParts {
        TargetParts {
            cas: if mode.verifies() { cas } else { Vec::new() },
            host: host.to_string(),
            name,
            port,
            schema,
            server_name: (mode == TlsMode::VerifyFull).then_some(server_name),
            tls: mode.as_str().to_owned(),
            user,
        }
    }
}

proptest! {
    #[test]
    fn a_target_is_the_same_there_and_back(parts in parts()) {
        let target = Target::new(parts.clone()).expect("valid parts");
        prop_assert_eq!(Target::read(&target.to_json()), Ok(target.clone()));
        let command = target.to_command();
        prop_assert_eq!(Target::in_command(&command), Some(Ok(target.clone())));
        prop_assert_eq!(Target::from_arguments(&command[1..]), Ok(Some(target.clone())));
        // There is one form: the order and the number of the certificates make no difference.
        let mut other = parts.clone();
        other.cas.reverse();
        other.cas.extend(parts.cas.iter().map(|ca| format!(" {ca}\n")));
        prop_assert_eq!(Target::new(other).expect("valid parts").to_json(), target.to_json());
        // It is JSON with the given values.
        let json: serde_json::Value = serde_json::from_str(&target.to_json()).expect("JSON");
        prop_assert_eq!(json["name"].as_str(), Some(parts.name.as_str()));
        let escaped = !target.to_json().contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\n']);
        prop_assert!(escaped);
    }
}

fn refused(json: &str) -> String {
    let error = Target::read(json).expect_err(json);
    assert_eq!(error.exit_code().code(), 2);
    error.to_string()
}

#[test]
fn what_is_no_target_is_refused_in_words() {
    let good = WRITTEN_DEFAULT.trim_end();
    assert!(Target::read(good).is_ok());
    for (from, to, words) in [
        ("{", "{\"colour\":1,", "unknown field `colour`"),
        ("\"port\":5432,", "", "missing field `port`"),
        ("\"server_name\":null,", "", "missing field `server_name`"),
        ("\"cas\":[],", "", "missing field `cas`"),
        ("{", "{\"port\":5432,", "duplicate field `port`"),
        ("5432", "\"5432\"", "invalid type"),
        ("5432", "70000", "expected u16"),
        ("5432", "0", "port has to be a number from 1 to 65535"),
        ("10.20.0.3", "db.example.org", "host has to be an IP address"),
        ("10.20.0.3", "", "host has to be an IP address"),
        ("require", "allow", "tls has to be one of disable, prefer, require, verify-ca, verify-full"),
        ("require", " require", "tls has to be one of"),
        ("require", "verify-ca", "cas has to hold a certificate"),
        ("\"cas\":[]", "\"cas\":[\"none\"]", "certificates in PEM"),
        (
            "\"cas\":[]",
            "\"cas\":[\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\"]",
            "cas has to be empty",
        ),
        ("null", "\"db.example.org\"", "server_name has to be null"),
        ("quill_core", "", "name has to be given"),
        ("quill_core", " quill_core", "name has to be given, without white space"),
        ("public", "pub\\u0000lic", "schema has a control character"),
        ("}", "} {}", "trailing characters"),
    ] {
        let said = refused(&good.replacen(from, to, 1));
        assert!(said.starts_with("the target cannot be used: ") && said.contains(words), "{said}");
    }
    refused("");
    refused("[]");
}

#[test]
fn the_arguments_are_none_or_one_target() {
    let json = WRITTEN_DEFAULT.trim_end();
    let read = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        Target::from_arguments(&arguments)
    };
    assert_eq!(read(&[]), Ok(None));
    assert!(read(&[TARGET_OPTION, json]).expect("a target").is_some());
    for arguments in [
        &[TARGET_OPTION][..],
        &[json],
        &[""],
        &["planted-in-clear"],
        &[TARGET_OPTION, json, ""],
        &[TARGET_OPTION, json, "planted-in-clear"],
        &[TARGET_OPTION, json, TARGET_OPTION, json],
        &["", TARGET_OPTION, json],
        &["--target="],
    ] {
        let said = read(arguments).expect_err("refused").to_string();
        assert!(!said.contains("planted"), "{said}");
    }
}

#[test]
fn only_the_executors_own_command_has_a_target() {
    let target = Target::new(plain()).expect("a target");
    let mut command = target.to_command();
    assert_eq!(command[0], ENTRY_POINT);
    assert!(Target::in_command(&[]).is_none());
    assert!(Target::in_command(&["python".to_owned(), "admin_cli.py".to_owned()]).is_none());
    assert!(Target::in_command(&command[..1]).is_none());
    assert!(matches!(Target::in_command(&command[..2]), Some(Err(_))));
    command[0] = "/bin/sh".to_owned();
    assert!(Target::in_command(&command).is_none());
}

#[test]
fn variables_that_say_otherwise_are_named() {
    let target = Target::new(plain()).expect("a target");
    let beside = |pairs: &[(&str, &str)]| {
        let all: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
        Variables::new(all).beside(&target)
    };
    let same = [
        ("AUTH_DB_HOST", "10.20.0.3"),
        ("CORE_DB_PORT", " 5432 "),
        ("AUTH_DB_NAME", "quill_core"),
        ("AUTH_DB_USER", "quill"),
        ("AUTH_DB_SSLMODE", "require"),
        ("AUTH_DB_PASSWORD", "whatever"),
        ("CORE_DB_HOST", " "),
    ];
    assert_eq!(beside(&same), [""; 0]);
    let other = [
        ("CORE_DB_HOST", "10.0.0.9"),
        ("AUTH_DB_PORT", "1"),
        ("AUTH_DB_SSLMODE", "disable"),
        ("AUTH_DB_SSLROOTCERT", "/etc/ssl/ca.pem"),
    ];
    assert_eq!(beside(&other), ["AUTH_DB_PORT", "AUTH_DB_SSLMODE", "AUTH_DB_SSLROOTCERT", "CORE_DB_HOST"]);
}
