//! Filters that hold for an entry, and texts that are no filters.

use serde_json::{Value, json};

use super::parser::DEEPEST;
use super::{Filter, LONGEST};

fn entry() -> Value {
    json!({
        "logName": "projects/p/logs/run.googleapis.com%2Fstdout",
        "insertId": "abc",
        "severity": "WARNING",
        "timestamp": "2026-01-02T03:04:05.5Z",
        "resource": {"type": "cloud_run_job", "labels": {"job_name": "admin"}},
        "labels": {"run.googleapis.com/execution_name": "admin-x1"},
        "jsonPayload": {"message": "Say \"hello\"", "count": 3, "tags": ["a", "b"]},
    })
}

fn holds(filter: &str) -> bool {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&entry())
}

#[test]
fn comparisons() {
    for filter in [
        "",
        "  -- only a comment\n",
        r#"resource.type="cloud_run_job""#,
        "resource.type = cloud_run_job",
        r#"labels."run.googleapis.com/execution_name"="admin-x1""#,
        r#"labels."run.googleapis.com/execution_name"=admin-x1"#,
        r#"log_name="projects/p/logs/run.googleapis.com%2Fstdout""#,
        "logName:run.googleapis.com",
        r#"log_id("run.googleapis.com/stdout")"#,
        "severity>=WARNING",
        "severity = warning",
        "severity<500",
        "severity!=INFO",
        "severity=(ERROR OR WARNING)",
        r#"timestamp>="2026-01-02T03:04:05.5Z""#,
        "timestamp>2026-01-02T03:04:05Z",
        "timestamp<2026-01-03",
        r#"timestamp<="2026-01-02T04:04:05.5+01:00""#,
        "jsonPayload.count>2",
        "jsonPayload.count=3",
        "jsonPayload.count>-1",
        r#"jsonPayload.message="say \"HELLO\"""#,
        "jsonPayload.message:hello",
        "jsonPayload.message=~\"hel+o\"",
        "jsonPayload.message!~\"^hello\"",
        "jsonPayload.tags=b",
        "jsonPayload.count:*",
        "json_payload.count:*",
        "hello",
        "NOT jsonPayload.nothing=1",
        "-jsonPayload.nothing=1",
        r#"insertId="abc""#,
    ] {
        assert!(holds(filter), "{filter}");
    }
    for filter in [
        "resource.type=cloud_run",
        "severity>WARNING",
        "timestamp>2026-01-02T03:04:05.5Z",
        "jsonPayload.nothing!=1",
        "jsonPayload.nothing:*",
        "NOT hello",
        r#"log_id("run.googleapis.com/stderr")"#,
    ] {
        assert!(!holds(filter), "{filter}");
    }
}

#[test]
fn the_filters_of_the_clients_there_are() {
    for filter in [
        // One execution, as the API's guide has it.
        r#"resource.type="cloud_run_job" AND resource.labels.job_name="admin" AND labels."run.googleapis.com/execution_name"="admin-x1""#,
        // `gcloud run jobs logs read`
        "resource.type = \"cloud_run_job\" resource.labels.job_name = \"admin\" severity >= DEFAULT",
        // `gcloud logging read FILTER`
        r#"timestamp>="2026-01-01T09:10:11.123456Z" AND resource.type=cloud_run_job"#,
        "resource.type=(\"cloud_run_job\" OR \"cloud_run_revision\")\n-- newest\n-severity=DEBUG",
    ] {
        assert!(holds(filter), "{filter}");
    }
}

#[test]
fn or_binds_tighter_than_and() {
    let (yes, no) = ("insertId=abc", "insertId=x");
    // As (no OR yes) AND yes; the other way round it would hold as well, so both shapes.
    assert!(holds(&format!("{no} OR {yes} AND {yes}")));
    assert!(!holds(&format!("{yes} OR {yes} AND {no}")));
    assert!(!holds(&format!("{no} AND {yes} OR {yes}")));
    assert!(!holds(&format!("{no} {yes} OR {yes}")));
    assert!(holds(&format!("({no} AND {yes}) OR {yes}")));
    assert!(holds(&format!("NOT {no} {yes}")));
    assert!(!holds(&format!("NOT ({no} OR {yes})")));
}

#[test]
fn depth_and_length_have_an_end() {
    for (open, close) in [("(", ")"), ("NOT ", ""), ("- ", ""), ("NOT (", ")"), ("insertId=(NOT ", ")")] {
        for levels in [1_000, 3_000, 50_000] {
            let filter = format!("{}insertId=abc{}", open.repeat(levels), close.repeat(levels));
            assert!(Filter::parse(&filter).is_err(), "{levels} times {open}");
        }
    }
    let values = format!("insertId=({}abc)", "NOT ".repeat(3_000));
    assert!(Filter::parse(&values).is_err());
    let deepest = format!("{}insertId=abc{}", "(".repeat(DEEPEST), ")".repeat(DEEPEST));
    assert!(holds(&deepest));
    assert!(Filter::parse(&format!("({deepest})")).is_err());
    // One after the other is not one in the other.
    assert!(holds(&"(insertId=abc) ".repeat(1_000)));
    assert!(Filter::parse(&"a".repeat(LONGEST)).is_ok());
    assert!(Filter::parse(&"a".repeat(LONGEST + 1)).is_err());
}

/// Random filters, of the language's own pieces, are read or refused: they never panic.
#[test]
fn no_filter_is_too_odd() {
    const PIECES: &[&str] = &[
        "(",
        ")",
        "NOT ",
        "AND ",
        "OR ",
        "-",
        "--",
        "\n",
        ".",
        ",",
        "\"",
        "\\",
        "=",
        "!=",
        "=~",
        "!~",
        ":",
        "*",
        "<",
        ">=",
        "insertId",
        "severity",
        "timestamp",
        "jsonPayload",
        "log_id",
        "abc",
        "3",
        "2026-01-02",
        "12:30:00.5",
        "é",
        "\u{202e}",
        "(?i)",
        "[",
        "WARNING",
        " ",
        "\0",
    ];
    // A linear congruential generator (Knuth's MMIX) makes the same filters in each run.
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or_default() % limit
    };
    for _ in 0..20_000 {
        let filter: String = (0..below(40)).map(|_| PIECES[below(PIECES.len())]).collect();
        if let Ok(filter) = Filter::parse(&filter) {
            filter.matches(&entry());
        }
    }
}

#[test]
fn what_is_not_understood_is_an_error() {
    for filter in [
        "colour=red",
        "severity>=LOUD",
        "timestamp>yesterday",
        "insertId=",
        "insertId=abc AND",
        "(insertId=abc",
        "insertId=abc)",
        "insertId=\"abc",
        "resource.type",
        "AND",
        "sample(insertId, 0.5)",
        "insertId=abc OR",
        "jsonPayload.message=~\"(\"",
        "!x",
        "insertId=abc;",
        "{}",
    ] {
        assert!(Filter::parse(filter).is_err(), "{filter}");
    }
}
