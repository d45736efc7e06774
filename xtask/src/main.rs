//! The developer's verbs: test, bench, docs.

fn main() {}
