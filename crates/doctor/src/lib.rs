//! What is wrong with this machine or an environment, why, and what can be done about it.
//!
//! Three small words: a check ([`check`]) *finds*, a [`Finding`](check::Finding) *describes*, a
//! [`Treatment`](treatment::Treatment) *fixes*. What checks know of the outside comes from
//! [`facts`], which asks everything once. [`run`] looks: what does not depend on each other at the
//! same time. Nothing here changes anything but a treatment.
//!
//! **To add a check:** its file in `checks/`, its line in [`catalogue`], a section of its id in
//! `docs/troubleshooting.md`; `cargo xtask docs` writes its line of the reference.

pub mod catalogue;
pub mod causes;
pub mod check;
mod checks;
pub mod explain;
pub mod facts;
pub mod finding;
pub mod fix;
pub mod repository;
pub mod run;
pub mod treatment;
