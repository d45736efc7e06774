//! A task, from its action to its outcome.
//!
//! [`run`] is the pipeline: read the job, start it once, [follow](follow) it, draw the outcome ([`run_outcome`]).
//! [`job_image`] judges whether a job may run a task at all; [`jobs`] names the jobs of the application, and [`rows`]
//! collects the rows that a reading task lists, [`row_results`] the result of each row of a bulk run.
//!
//! **A typical change** is another way for a task to end: a variant of `RunOutcome` in `run_outcome.rs`, and
//! `report/task.rs` of the command-line program.

pub(crate) mod asked;
pub mod follow;
pub mod job_image;
pub mod jobs;
pub mod row_results;
pub mod rows;
pub mod run;
pub mod run_outcome;
mod start;
