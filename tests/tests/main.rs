//! End-to-end tests of the compiled programs, one file for each subject.
//!
//! To add a subject: a file here, and its `mod` line below. A test that has an image compiled, which takes minutes,
//! has `in_a_container` in its name: `cargo xtask test` runs these in a layer of their own.

mod actions;
mod afterwards;
mod believed;
mod beside;
mod build;
mod carried;
mod connections;
mod deployed;
mod doctor;
mod doctor_causes;
mod doctor_records;
mod documents;
mod each;
mod endings;
mod following;
mod guide;
mod help;
mod history;
mod image;
mod infra;
mod input;
mod installed;
mod jobs;
mod journeys;
mod local;
mod local_unusable;
mod output;
mod pinned;
mod pipelines;
mod previews;
mod prompts;
mod restore;
mod review;
mod rows;
mod running;
mod secrets;
mod shell;
mod sign_in;
mod signed;
mod target;
mod trust;
mod undo;
