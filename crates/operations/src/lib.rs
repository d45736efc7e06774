//! The work of quill-admin, without its command line and its terminal: reading an environment, opening a
//! session in it, running a task and following it, building and deploying an image, restoring the backend.
//!
//! Progress is told in [`events`], failures in [`error`], and the next steps for a person in [`hints`].
//! Settings of environments are in [`config`], the place where work is done and the identity it is done as in
//! [`session`]; the work itself is in [`task`], [`admin_image`] and [`backend`].
//!
//! **A typical change** touches one of these folders, and the report in the command-line program that shows
//! its result.

pub mod actions;
pub mod admin_image;
pub mod backend;
pub mod carried;
pub mod config;
pub mod each;
pub mod error;
pub mod events;
mod folders;
pub mod hints;
pub mod history;
pub mod own_file;
mod patience;
pub mod point_of_no_return;
pub mod process;
pub mod record_key;
pub mod review;
pub mod session;
pub mod task;
pub mod trust;
pub mod undo;

/// The candidate that was probably meant by a name that is not known.
pub use quill_admin_yaml::nearest;
