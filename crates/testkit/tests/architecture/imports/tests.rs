//! Small crates, and the arrows that are found in them.

use std::collections::{BTreeMap, BTreeSet};

use super::{arrows, circles, describe};

/// The arrows between files that are given as texts, in lines `from -> to: names`.
fn drawn(files: &[(&str, &str)]) -> Vec<String> {
    let read = |name: &str| {
        files.iter().find(|(file, _)| format!("src/{file}") == name).map(|(_, text)| (*text).to_owned())
    };
    let short = |file: &str| file.trim_start_matches("src/").trim_end_matches(".rs").to_owned();
    let arrows = arrows("src/lib.rs", &read);
    let line = |((from, to), names): (&(String, String), &BTreeSet<String>)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{} -> {}: {}", short(from), short(to), names.join(", "))
    };
    arrows.iter().map(line).collect()
}

#[test]
fn files_that_import_each_other_are_a_circle() {
    let files = BTreeMap::from([
        ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ("src/a.rs", "use crate::b::B; pub(crate) struct A(B);"),
        ("src/b.rs", "use crate::c; pub(crate) struct B; fn f() { c::g(); }"),
        ("src/c.rs", "use super::a::A; use crate::d::D; pub(crate) fn g() -> (A, D) { (A, D) }"),
        ("src/d.rs", "pub(crate) struct D;"),
    ]);
    let arrows = arrows("src/lib.rs", &|file| files.get(file).map(ToString::to_string));
    let circles: Vec<String> = circles(&arrows).iter().map(|circle| describe(circle, &arrows)).collect();
    assert_eq!(
        circles,
        [
            "a circle of 3 files:\n  src/a.rs -> src/b.rs: B\n  src/b.rs -> src/c.rs: g\n  src/c.rs -> src/a.rs: A\n"
        ]
    );
}

#[test]
fn a_re_export_leads_to_the_file_of_the_item_and_is_no_use_itself() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::{A, deep::Deep}; pub use b::B as C;"),
        ("a.rs", "pub mod deep; pub struct A;"),
        ("a/deep.rs", "pub struct Deep; fn f() -> crate::C {}"),
        ("b.rs", "use crate::{A, Deep}; pub struct B;"),
    ];
    assert_eq!(drawn(&files), ["a/deep -> b: B", "b -> a: A", "b -> a/deep: Deep"]);
}

#[test]
fn a_tree_of_imports_is_taken_apart() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; const LIMIT: u8 = 1;"),
        ("a/mod.rs", "pub(crate) mod one; pub(crate) struct A; pub(crate) enum Kind { Small }"),
        ("a/one.rs", "pub(crate) struct One;"),
        ("b.rs", "use crate::{LIMIT, a::{self, A as Other, Kind::Small, one::{One}}}; fn f() { a::made(); }"),
        (
            "c.rs",
            "use std::fmt; use serde::{Serialize}; use ::a::X; fn f(_: fmt::Result, _: Option<Vec<u8>>) {}",
        ),
    ];
    assert_eq!(drawn(&files), ["b -> a/mod: A, Kind, made", "b -> a/one: One", "b -> lib: LIMIT"]);
}

#[test]
fn a_glob_leads_where_the_names_that_are_used_come_from() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "pub use crate::b::*; pub struct A;"),
        ("b.rs", "pub struct B; pub struct Other;"),
        ("c.rs", "use crate::a::*; fn f() -> B { format!(\"{}\", A) }"),
        ("d.rs", "use crate::a::*; use std::fmt::*;"),
    ];
    assert_eq!(drawn(&files), ["c -> a: A", "c -> b: B"]);
}

#[test]
fn a_child_may_use_its_siblings_and_not_what_its_parent_defines() {
    let parent = "mod child; mod sibling; const LIMIT: u8 = 1; fn f() { child::g() }";
    let files = |child: &'static str| {
        [("lib.rs", parent), ("child.rs", child), ("sibling.rs", "pub(crate) fn h() {}")]
    };
    assert_eq!(
        drawn(&files("use super::sibling; pub(crate) fn g() { sibling::h() }")),
        ["child -> sibling: h", "lib -> child: g"]
    );
    assert_eq!(
        drawn(&files("pub(crate) fn g() { super::LIMIT; }")),
        ["child -> lib: LIMIT", "lib -> child: g"]
    );
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let files = [
        ("lib.rs", "mod a; mod types; mod functions; mod macros; mod bodies; mod inline;"),
        ("a.rs", "pub(crate) trait T { const C: u8; } pub(crate) fn f() {} pub(crate) struct S;"),
        ("types.rs", "impl crate::a::T for Vec<super::a::S> { const C: u8 = 1; }"),
        ("functions.rs", "fn f() { use crate::a as other; other::f(); }"),
        ("macros.rs", "fn f() { assert!(x.f, \"{:?}\", vec![crate::a::S, y.crate_a]); }"),
        ("bodies.rs", "use crate::a; fn f() { let _ = || a::f as fn(); }"),
        ("inline.rs", "mod inner { use super::super::a::S; } pub(in crate::a) fn f() {}"),
    ];
    assert_eq!(
        drawn(&files),
        ["bodies -> a: f", "functions -> a: f", "inline -> a: S", "macros -> a: S", "types -> a: S, T",]
    );
}

#[test]
fn a_name_may_be_a_module_and_a_function() {
    let files = [
        ("lib.rs", "mod check; mod user; pub use check::check;"),
        ("check.rs", "pub fn check() {} pub fn other() {}"),
        ("user.rs", "use crate::check; fn f() { check(); check::other(); }"),
    ];
    assert_eq!(drawn(&files), ["user -> check: check, other"]);
}

#[test]
fn what_is_for_tests_does_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod only; #[cfg(any(test, unix))] mod both;"),
        ("a.rs", "pub struct A; impl A { #[cfg(test)] fn f(_: crate::b::B) {} }"),
        (
            "b.rs",
            "#[cfg(test)] mod tests { use crate::a::A; } #[cfg(all(test, unix))] use crate::a::A; pub struct B;",
        ),
        ("both.rs", "use crate::a::A;"),
    ];
    assert_eq!(drawn(&files), ["both -> a: A"]);
}
