//! Runs one admin task against a Quill Medical live database, exactly once, and shows what happened.

fn main() {}
