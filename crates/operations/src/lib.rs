//! What quill-admin does, and nothing of how it is asked for or shown: an environment is read, a session in it opened,
//! a task run and followed, an image built and deployed, the backend restored.
//!
//! Nothing here knows a command line or a terminal: what happens is told in [`events`], what went wrong in [`error`],
//! and what a person may do next in [`hints`].
//!
//! **A typical change:** what an environment may say is in [`config`], how a task is run in [`flow`], where a task
//! runs and as whom in [`session`]. What a person sees of it is the report of the command-line program.

pub mod actions;
pub mod admin_image;
pub mod carried;
pub mod config;
pub mod error;
pub mod events;
pub mod flow;
pub mod hints;
pub mod process;
pub mod session;
pub mod trust;
