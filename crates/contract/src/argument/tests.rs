//! Tests of single values.

use super::*;

fn parameter(json: &str) -> Parameter {
    serde_json::from_str(json).expect("a parameter")
}

fn parse(parameter_json: &str, text: &str) -> Result<Argument, String> {
    Argument::parse(&parameter(parameter_json), "thing", text).map_err(|invalid| invalid.to_string())
}

fn refused(parameter: &str, text: &str) -> String {
    match parse(parameter, text) {
        Ok(argument) => panic!("{text:?} is {argument:?}"),
        Err(words) => words,
    }
}

const TEXT: &str = r#"{"type":"text","min":2,"max":5}"#;
const TEXTS: &str = r#"{"type":"text","min":2,"max":5,"many":true}"#;
const EMAIL: &str = r#"{"type":"email","max":12}"#;
const LEVEL: &str = r#"{"type":"one_of","values":{"a":{},"b":{"if":"column t.c"},"c":{}}}"#;
const NUMBER: &str = r#"{"type":"integer","min":-3,"max":7}"#;
const FLAG: &str = r#"{"type":"boolean"}"#;
const DAY: &str = r#"{"type":"date"}"#;
const LIMITED: &str = r#"{"type":"date","min":"2026-01-01","max":"2026-12-31"}"#;
const PASSWORD: &str = r#"{"type":"password","hash":"argon2id-quill"}"#;

#[test]
fn texts_have_limits_in_characters_and_hold_nothing_that_cannot_be_seen() {
    assert_eq!(parse(TEXT, "  éß✔  \n"), Ok(Argument::Text("éß✔".to_owned())));
    assert_eq!(refused(TEXT, "x"), "the thing has 1 characters; at least 2 are needed");
    assert_eq!(refused(TEXT, "xxxxxx"), "the thing has 6 characters; at most 5 are allowed");
    assert_eq!(refused(TEXT, " \t"), "the thing is empty");
    for bad in ["a\nb", "a\u{200b}b", "a\u{202e}b", "a\0b", "a\u{a0}b"] {
        assert!(refused(TEXT, bad).contains("none are allowed"), "{bad:?}");
    }
    assert_eq!(parse(EMAIL, " a@b.example "), Ok(Argument::Text("a@b.example".to_owned())));
    for bad in ["a", "a@", "a@bb.examples", "<a@b>", "a b@c", "a@b@c"] {
        refused(EMAIL, bad);
    }
}

#[test]
fn closed_lists_are_listed_in_the_order_in_which_they_are_shown() {
    // Only a program that has seen the database can say whether b is allowed.
    assert_eq!(parse(LEVEL, " b "), Ok(Argument::Text("b".to_owned())));
    assert_eq!(refused(LEVEL, "B"), "unknown thing \"B\"; allowed: a, b, c");
    let value = |value: &str| quill_admin_actions::ValueWords { value: value.to_owned(), note: None };
    let words = ParameterWords {
        name: "level".to_owned(),
        values: ["c", "a", "b"].map(value).into(),
        ..ParameterWords::default()
    };
    let refused = Argument::read(&parameter(LEVEL), &words, "x").expect_err("not one of them");
    assert_eq!(refused.to_string(), "unknown level \"x\"; allowed: c, a, b");
}

#[test]
fn numbers_and_flags_are_read_within_their_limits() {
    assert_eq!(parse(NUMBER, " -3 "), Ok(Argument::Integer(-3)));
    assert_eq!(parse(NUMBER, "7"), Ok(Argument::Integer(7)));
    for bad in ["8", "-4", "1.0", "1e0", "0x1", "one", "9223372036854775808"] {
        assert_eq!(refused(NUMBER, bad), "the thing must be a whole number from -3 to 7", "{bad}");
    }
    assert_eq!(parse(FLAG, "true"), Ok(Argument::Boolean(true)));
    assert_eq!(parse(FLAG, " false"), Ok(Argument::Boolean(false)));
    for bad in ["yes", "TRUE", "1", "f"] {
        assert_eq!(refused(FLAG, bad), format!("unknown thing \"{bad}\"; allowed: true, false"));
    }
    for (kind, text) in [(NUMBER, ""), (FLAG, " "), (DAY, "")] {
        assert_eq!(refused(kind, text), "the thing is empty");
    }
}

#[test]
fn days_are_days_of_the_calendar_in_one_form() {
    for good in ["2026-11-29", "2028-02-29", "0001-01-01", "9999-12-31", "2000-02-29"] {
        let Ok(Argument::Date(day)) = parse(DAY, good) else { panic!("{good}") };
        assert_eq!(day.to_string(), good);
    }
    for bad in [
        "2026-02-29",
        "2100-02-29",
        "2026-04-31",
        "2026-13-01",
        "2026-00-10",
        "0000-01-01",
        "26-11-29",
        "20261129",
        "2026-11-29T10:00",
        "2026/11/29",
        "29.11.2026",
        "-026-11-29",
        "+002026-11-29",
        "today",
        "2026-1-29",
        "２026-11-29",
    ] {
        assert_eq!(refused(DAY, bad), "the thing must be a day of the calendar, as in 2026-11-29", "{bad}");
    }
    assert!(parse(LIMITED, "2026-01-01").is_ok() && parse(LIMITED, "2026-12-31").is_ok());
    for bad in ["2025-12-31", "2027-01-01", "2026-02-30"] {
        assert_eq!(
            refused(LIMITED, bad),
            "the thing must be a day of the calendar, as in 2026-11-29, not before 2026-01-01, not after 2026-12-31"
        );
    }
}

#[test]
fn of_many_values_one_stands_on_each_line() {
    let texts = |texts: &[&str]| Argument::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
    assert_eq!(parse(TEXTS, "\n a,b \r\nc'd\n"), Ok(texts(&["a,b", "c'd"])));
    assert_eq!(parse(TEXTS, "one"), Ok(texts(&["one"])));
    assert_eq!(
        refused(TEXTS, "aa\nbb\n aa "),
        "the thing is given the same value twice, as number 1 and as number 3"
    );
    assert_eq!(refused(TEXTS, "aa\n\nbb"), "the thing is empty");
    assert_eq!(refused(TEXTS, "aa\nb"), "the thing has 1 characters; at least 2 are needed");
    let most: Vec<String> = (0..64).map(|number| format!("v{number}")).collect();
    assert!(parse(TEXTS, &most.join("\n")).is_ok());
    assert_eq!(
        refused(TEXTS, &format!("{}\nmore", most.join("\n"))),
        "the thing is given 65 values; at most 64 are allowed"
    );
    let many = |json: &str| json.replace('}', r#","many":true}"#);
    assert_eq!(parse(&many(NUMBER), "3\n-3"), Ok(Argument::Integers(vec![3, -3])));
    assert!(refused(&many(NUMBER), "3\n03").contains("twice"), "one number, whatever its digits");
    let Ok(Argument::Dates(days)) = parse(&many(DAY), "2026-11-29\n2026-11-28") else { panic!("two days") };
    assert_eq!(days.len(), 2);
}

#[test]
fn a_hash_is_taken_exactly_and_never_printed() {
    let hash =
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1sJzVLmYRhY";
    let read = parse(PASSWORD, hash).expect("a hash");
    assert_eq!(format!("{read:?}"), "Password(PasswordHash { phc: [redacted], is_of_nobody: false })");
    assert_eq!((read.as_text(), read.values()), (None, vec![]));
    for bad in [format!("{hash}\n"), "planted".to_owned()] {
        assert!(!refused(PASSWORD, &bad).contains("planted"));
    }
}
