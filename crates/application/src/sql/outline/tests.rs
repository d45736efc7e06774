//! Tests of the outlines of statements.

use super::*;
use crate::sql::tokens;

fn with<'a, T>(sql: &'a str, look: impl FnOnce(&Outline<'a>) -> T) -> T {
    let tokens = tokens(sql).expect("whole");
    look(&Outline::new(sql, &tokens))
}

#[test]
fn the_verb_is_that_of_the_whole() {
    for (sql, verb) in [
        ("SELECT 1", Some(Verb::Select)),
        ("/* x */ insert INTO a VALUES (1)", Some(Verb::Insert)),
        ("WITH a AS (SELECT 1), update AS MATERIALIZED (SELECT 2) SELECT 3", Some(Verb::Select)),
        ("WITH a (b) AS (SELECT 1) UPDATE c SET d = 1", Some(Verb::Update)),
        ("with recursive a as (select 1) delete from c", Some(Verb::Delete)),
        ("WITH a AS (SELECT 1) VALUES (2)", None),
        ("WITH a AS (SELECT 1)", None),
        ("(SELECT 1)", None),
        ("CREATE TABLE a (b int)", None),
        ("", None),
    ] {
        assert_eq!(with(sql, Outline::verb), verb, "{sql}");
    }
}

#[test]
fn a_second_command_is_seen_and_a_last_semicolon_is_not_one() {
    assert_eq!(with("SELECT ';' -- ;\n; SELECT 1", Outline::second_command), Some(16));
    assert_eq!(with("SELECT ';';", Outline::second_command), None);
    assert_eq!(with("SELECT 1;;", Outline::second_command), Some(8));
    for (sql, end) in [("SELECT 1 ; -- x", 9), ("SELECT 1 -- x", 13), ("", 0)] {
        assert_eq!(with(sql, Outline::end), end, "{sql}");
    }
}

#[test]
fn changes_within_are_seen() {
    for sql in [
        "WITH a AS (DELETE FROM b RETURNING c) SELECT * FROM a",
        "WITH a AS (UPDATE b SET c = 1 RETURNING c) INSERT INTO d SELECT * FROM a",
        "WITH a AS (WITH x AS (INSERT INTO b VALUES (1) RETURNING c) SELECT 1) SELECT 2",
        "WITH a AS (MERGE INTO b USING c ON true WHEN MATCHED THEN DELETE) SELECT 2",
    ] {
        assert!(with(sql, Outline::change_within).is_some(), "{sql}");
    }
    for sql in [
        "DELETE FROM b",
        "UPDATE b SET c = 1",
        "SELECT (update), (delete), insert FROM b FOR UPDATE",
        "INSERT INTO b VALUES (1) ON CONFLICT (c) DO UPDATE SET d = 1",
        "WITH a AS (SELECT 1) UPDATE b SET c = 1",
    ] {
        assert_eq!(with(sql, Outline::change_within), None, "{sql}");
    }
    assert_eq!(with("SELECT a INTO b FROM c", Outline::select_into), Some(9));
    assert_eq!(with("INSERT INTO b SELECT \"into\" FROM c", Outline::select_into), None);
    for sql in
        ["SELECT 1 FOR UPDATE", "SELECT 1 for no key update", "SELECT 1 FOR KEY SHARE", "SELECT 1 FOR SHARE"]
    {
        assert_eq!(with(sql, Outline::locking), Some(9), "{sql}");
    }
    assert_eq!(with("SELECT substring(a FOR 2)", Outline::locking), None);
    assert!(with("DELETE FROM a WHERE b", Outline::has_where));
    assert!(!with("DELETE FROM a USING (SELECT 1 WHERE true) AS c", Outline::has_where));
}

#[test]
fn columns_are_called_as_the_server_calls_them() {
    let columns = |sql: &str| {
        with(sql, |outline| {
            let names = outline.columns().into_iter().map(|(name, _)| name.unwrap_or_else(|| "?".to_owned()));
            names.collect::<Vec<_>>().join(" ")
        })
    };
    for (sql, names) in [
        ("SELECT FROM users", ""),
        ("SELECT a, b.c, d.e.f FROM x", "a c f"),
        ("SELECT Username::text, users.email::varchar(3) FROM users", "username email"),
        ("SELECT DISTINCT ON (a, b) c AS \"D\" FROM x", "D"),
        ("SELECT ALL count(*), max(a)::text, pg_catalog.now() ORDER BY 1", "count max now"),
        (
            "SELECT ARRAY(SELECT a, b FROM c) AS roles, x IS NOT NULL AS y, x IS DISTINCT FROM y AS z FROM d",
            "roles y z",
        ),
        ("WITH a AS (SELECT b FROM c) SELECT d FROM a", "d"),
        ("SELECT a + b, *, CASE WHEN x THEN y END, f(a) + g(b), 'x', a b, (c) FROM x", "? ? ? ? ? ? ?"),
        ("SELECT encode(sha256(a), 'hex') AS password FROM x UNION SELECT q", "password"),
        ("SELECT a AS \"from\", b.order FROM x", "from order"),
        ("INSERT INTO a VALUES (1) RETURNING b", ""),
    ] {
        assert_eq!(columns(sql), names, "{sql}");
    }
}

#[test]
fn tables_are_found_with_what_is_done_to_them() {
    let tables = |sql: &str| {
        with(sql, |outline| {
            let tables = outline.tables().into_iter().map(|named| {
                assert!(
                    sql[named.at..]
                        .trim_start_matches('"')
                        .starts_with(named.schema.as_deref().unwrap_or(&named.table))
                );
                let schema = named.schema.map(|schema| format!("{schema}.")).unwrap_or_default();
                format!("{} {schema}{}", named.right, named.table)
            });
            tables.collect::<Vec<_>>().join(", ")
        })
    };
    for (sql, found) in [
        ("SELECT 1", ""),
        ("SELECT FROM users WHERE a = :b FOR UPDATE", "select users, update users"),
        (
            "SELECT a FROM b, c AS d, LATERAL (SELECT x FROM e) f LEFT JOIN g ON h = i, j WHERE k",
            "select b, select c, select e, select g, select j",
        ),
        ("SELECT EXTRACT(day FROM a), trim(both FROM b), c IS DISTINCT FROM d FROM e", "select e"),
        (
            "SELECT a FROM unnest(b) AS c, pg_roles, pg_catalog.pg_class, \"Users\", other.d",
            "select Users, select other.d",
        ),
        ("WITH a AS (SELECT b FROM c), d (e) AS NOT MATERIALIZED (SELECT 1) SELECT f FROM a, d", "select c"),
        (
            "INSERT INTO a (b, c) SELECT d, e FROM f, g WHERE h IN (i, j) ON CONFLICT DO NOTHING",
            "insert a, select f, select g",
        ),
        ("INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 2", "insert a, update a"),
        ("UPDATE ONLY a SET b = 1, c = (SELECT d FROM e) FROM f WHERE g", "update a, select e, select f"),
        ("DELETE FROM a USING b, c WHERE d = e", "delete a, select b, select c"),
        ("SELECT a FROM b JOIN c USING (d) ORDER BY e, f", "select b, select c"),
        ("SELECT (SELECT a FROM b), c FROM d UNION SELECT e, f FROM g", "select b, select d, select g"),
    ] {
        assert_eq!(tables(sql), found, "{sql}");
    }
}
