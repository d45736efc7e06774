//! The admin image: from the sources, or from the executor that this program carries, to the job that runs
//! it.
//!
//! [`source`] reads what the image is made of ([`assembled`] where nothing is compiled), [`plan`] finds out
//! what has to be done and changes nothing, [`push`] builds and pushes, [`deploy`] carries out the plan.
//! [`target`] is the database in the job's command, [`deployed_actions`] the actions of an image, and
//! [`recognise`] tells the admin image from others.
//!
//! **A typical change** is another setting of the job: `wanted` in `plan.rs`; the check `job-settings` of the
//! doctor compares it then, too.

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
