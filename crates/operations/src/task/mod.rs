//! A task, from its action to its outcome.
//!
//! [`run`] is the pipeline: read the job, start it once, [follow](follow) it, draw the [conclusion]. Whether a job may run
//! it at all is [`job_image`]'s to say; jobs of the application's own are in [`jobs`], what a reading task lists in
//! [`rows`]. **A typical change** is another way for a task to end: `conclusion.rs`, and the report of tasks.

pub(crate) mod asked;
pub mod conclusion;
pub mod follow;
pub mod job_image;
pub mod jobs;
pub mod rows;
pub mod run;
mod start;
