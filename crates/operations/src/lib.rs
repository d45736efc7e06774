//! What quill-admin does, and nothing of how it is asked for or shown: an environment is read, a session in it opened,
//! a task run and followed, an image built and deployed, the backend restored.
//!
//! Nothing here knows a command line or a terminal: what happens is told in [`events`], what went wrong in [`error`],
//! and what a person may do next in [`hints`].
//!
//! What an environment may say is in [`config`], where work is done and as whom in [`session`]; then come a [`task`], the
//! [`admin_image`] and the [`backend`]. **A typical change** is in one of these folders, and in the report of the
//! command-line program that shows it.

pub mod actions;
pub mod admin_image;
pub mod backend;
pub mod carried;
pub mod config;
pub mod error;
pub mod events;
pub mod hints;
pub mod history;
mod patience;
pub mod point_of_no_return;
pub mod process;
pub mod session;
pub mod task;
pub mod trust;
