//! Tests of the checks that values share.

use super::*;

fn email(text: &str) -> Result<String, InvalidValue> {
    super::email("email", text, 255)
}

#[test]
fn emails() {
    for good in ["a@b", "o'brien+x@example.org", "Ж@пример.рф", "a,b=^c@x"] {
        assert_eq!(email(good).as_deref(), Ok(good));
    }
    let long = format!("{}@b", "x".repeat(254));
    for bad in ["", "ab", "@b", "a@", "a@b@c", "a b@c", "a@b\u{a0}c", "a\u{200b}@x", "a\u{202e}@x", &long] {
        assert!(email(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_emails_are_pasted_with_is_told() {
    for (bad, words) in [
        ("steve@example.org,", "comma or semicolon"),
        ("steve@example.org ; ", "comma or semicolon"),
        (",steve@example.org", "comma or semicolon"),
        ("mailto:steve@example.org", "mailto:"),
        ("MailTo:steve@example.org", "mailto:"),
        ("<steve@example.org>", "angle brackets"),
        ("Steve Jones <steve@example.org>", "angle brackets"),
        ("steve\u{200b}@example.org", "zero width space"),
    ] {
        let told = email(bad).expect_err("refused").to_string();
        assert!(told.contains(words), "{bad}: {told}");
    }
}

#[test]
fn a_closed_list_names_what_is_allowed() {
    assert_eq!(one_of("level", " admin ", ["staff", "admin"]), Ok(1));
    assert_eq!(
        one_of("level", "Admin", ["staff", "admin"]).expect_err("refused").to_string(),
        "unknown level \"Admin\"; allowed: staff, admin"
    );
}
