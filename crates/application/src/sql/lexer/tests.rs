//! Tests of the lexer.

use proptest::prelude::*;

use super::*;

fn placeholders(sql: &str) -> Vec<&str> {
    let tokens = tokens(sql).unwrap_or_else(|endless| panic!("{sql}: {endless:?}"));
    tokens.iter().filter(|token| token.kind == Kind::Placeholder).map(|token| token.text(sql)).collect()
}

#[test]
fn placeholders_are_found_outside_of_literals_and_comments() {
    for (sql, found) in [
        ("SELECT :a", vec![":a"]),
        ("x = :a AND y=:b::text", vec![":a", ":b"]),
        ("':a' \":b\" -- :c\n /* :d /* :e */ :f */ $$:g$$ $x$ :h $$ :i $x$", vec![]),
        ("'it''s :a' :b", vec![":b"]),
        // A backslash is an ordinary character, except in E strings.
        (r"'\' :a ''", vec![":a"]),
        (r"E'\' :a ' :b", vec![":b"]),
        (r"e'\\' :b", vec![":b"]),
        (r"E'a''\' :a' :b", vec![":b"]),
        ("E'a'\n'\\' :a' :b", vec![":b"]),
        ("E'a' -- it goes on\n  '\\' :a' :b", vec![":b"]),
        ("E'a' '\\' :b --'", vec![":b"]),
        ("'a'\n'\\' :b", vec![":b"]),
        (r"namE'\' :b ''", vec![":b"]),
        (r"U&'\' :b", vec![":b"]),
        (r#"U&"d\0061t"":a" :b"#, vec![":b"]),
        (r"B'01' X'1f' N':a' :b", vec![":b"]),
        // Casts, assignments, slices.
        ("a::text, a :: text, :a::text", vec![":a"]),
        ("f(a := :b)", vec![":b"]),
        ("a[1:2] a[1:n] a[n:m] a[f(x):m] a[b[1]:m]", vec![]),
        ("a[:n] a[:n:m] a[1: :m] ARRAY[:a, :b] a[(:x):(:y)]", vec![":n", ":n", ":m", ":a", ":b", ":x", ":y"]),
        ("ARRAY[CASE WHEN :x THEN 1 END] a[f(:x)]", vec![":x", ":x"]),
        // A dollar may be part of a name.
        ("a$1 a$$ :b a$$", vec![":b"]),
        ("a$x$ :b b$x$", vec![":b"]),
        ("$é$ :a $é$ :b", vec![":b"]),
        ("$a :b $", vec![":b"]),
        // Comment signs in operators, which begin a comment or do not.
        ("a +-- :x\n :b", vec![":b"]),
        ("a */*:x*/ :b", vec![":b"]),
        ("/*/ :x */ :b", vec![":b"]),
        ("/***/ :b /* /**/ :x **/", vec![":b"]),
        ("1 - -:b", vec![":b"]),
        ("1e5:b 1.5e-3 .5 1.e", vec![":b"]),
        (":é :a_1$ : b :1", vec![":é", ":a_1$"]),
    ] {
        assert_eq!(placeholders(sql), found, "{sql}");
    }
}

#[test]
fn positional_placeholders_are_told_from_names() {
    let positional = |sql: &str| {
        let tokens = tokens(sql).expect("whole");
        tokens.iter().filter(|token| token.kind == Kind::Positional).count()
    };
    assert_eq!(positional("$1 + $22"), 2);
    assert_eq!(positional("a$1 '$1' $x$ $1 $x$ --$1"), 0);
}

#[test]
fn what_has_no_end_is_told_where_it_begins() {
    for (sql, start, what) in [
        ("a 'b", 2, "a string"),
        ("a E'b\\'", 3, "a string"),
        ("a E'\\", 3, "a string"),
        ("a \"b", 2, "a name in quotes"),
        ("a /* /* */", 2, "a comment"),
        ("a $x$ $y$", 2, "a string in dollar quotes"),
        ("é $$ $", 3, "a string in dollar quotes"),
    ] {
        assert_eq!(tokens(sql), Err(Endless { start, what }), "{sql}");
    }
}

/// A piece of SQL, and the placeholders that are in it.
fn piece() -> impl Strategy<Value = (String, Vec<String>)> {
    let hostile = r#"[a-z:$'"\\/*\[\]()é \n-]{0,12}"#;
    let quiet = |text: String| (text, Vec::new());
    prop_oneof![
        // Placeholders, with text that may surround them.
        "[a-z_][a-z0-9_]{0,6}".prop_map(|name| (format!(" :{name} "), vec![format!(":{name}")])),
        "[a-z_][a-z0-9_]{0,6}".prop_map(|name| (format!("=:{name}::text "), vec![format!(":{name}")])),
        // Literals and comments with any text. A comma stands before a plain literal: after an E string and a
        // line break it would be the second half of that.
        hostile.prop_map(move |text| quiet(format!(", '{}' ", text.replace('\'', "''")))),
        hostile.prop_map(move |text| {
            let text = text.replace('\\', "\\\\").replace('\'', "\\'");
            quiet(format!(" E'{text}' "))
        }),
        hostile.prop_map(move |text| quiet(format!(" U&'{}' ", text.replace('\'', "''")))),
        hostile.prop_map(move |text| quiet(format!(" \"{}\" ", text.replace('"', "\"\"")))),
        hostile.prop_map(move |text| quiet(format!(" U&\"{}\" ", text.replace('"', "\"\"")))),
        (hostile, "[a-z_][a-z0-9_]{0,3}")
            .prop_map(move |(text, tag)| { quiet(format!(" ${tag}${}${tag}$ ", text.replace('$', "§"))) }),
        hostile.prop_map(move |text| quiet(format!(" $${}$$ ", text.replace('$', "§")))),
        hostile.prop_map(move |text| quiet(format!(" -- {}\n", text.replace('\n', " ")))),
        hostile.prop_map(move |text| {
            let text = text.replace('/', "+");
            quiet(format!(" /*{text} /* :x */ */ "))
        }),
        // Code without placeholders.
        prop::sample::select(vec![
            " SELECT ",
            " a::text ",
            " a[1:2] ",
            " a[1:n] ",
            " ( ",
            " ) ",
            ", ",
            " f(a := 1) ",
            " <> ",
            " 1.5e-3 ",
            " users.id ",
            " a$1 ",
            " >= ",
            " - ",
            " * ",
            " / ",
            "é ",
        ])
        .prop_map(move |text| quiet(text.to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn placeholders_are_found_outside_and_nowhere_else(pieces in prop::collection::vec(piece(), 0..12)) {
        let sql: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
        let planted: Vec<&str> = pieces.iter().flat_map(|(_, names)| names).map(String::as_str).collect();
        let tokens = tokens(&sql).expect("everything has its end");
        let found: Vec<&str> =
            tokens.iter().filter(|token| token.kind == Kind::Placeholder).map(|token| token.text(&sql)).collect();
        prop_assert_eq!(found, planted, "{}", sql);
        let whole: String = tokens.iter().map(|token| token.text(&sql)).collect();
        prop_assert_eq!(whole, sql);
    }

    #[test]
    fn whatever_is_written_comes_to_an_end_and_stays_as_it_is(sql in r#"[a-zE:$'"\\/*\[\]()é0-9 \n.&U-]{0,60}"#) {
        if let Ok(tokens) = tokens(&sql) {
            let whole: String = tokens.iter().map(|token| token.text(&sql)).collect();
            prop_assert_eq!(whole, sql);
        }
    }
}
