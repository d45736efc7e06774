//! The admin image: from the sources, or from what this program carries, to the job that runs it.
//!
//! [`source`] is what it is made of ([`assembled`] where nothing is compiled), [`plan`] finds out what is to be done and
//! changes nothing, [`push`] builds and pushes, [`deploy`] does what the plan says. [`target`] is the database in the
//! job's command, [`deployed_actions`] which actions an image has, and [`recognise`] tells the admin image from others.
//! **A typical change** is another setting of the job: `plan.rs`, and the check `job-settings` sees it.

pub mod assembled;
mod clone;
pub mod database_variables;
pub mod deploy;
pub mod deployed_actions;
pub mod plan;
pub mod push;
pub mod recognise;
pub mod source;
pub mod target;
