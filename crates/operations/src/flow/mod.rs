//! From an action to its outcome.
//!
//! `run` is the pipeline: read the job, start it once, follow it, draw the conclusion.

mod asked;
pub mod assembled;
pub mod build;
pub mod conclusion;
pub mod database_variables;
pub mod deployed_actions;
pub mod fit;
pub mod follow;
pub mod history;
pub mod jobs;
mod patience;
pub mod point_of_no_return;
pub mod restore;
pub mod rows;
pub mod run;
mod sources;
mod start;
pub mod target;
