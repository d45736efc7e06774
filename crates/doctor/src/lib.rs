//! What is wrong with this machine or an environment, why, and what can be done about it.
//!
//! A [check](check::Check) looks, a [finding](finding::Finding) says what is wrong, a [fix](fix::Fix) puts it right.
//! What checks know of the outside comes from [`facts`], which asks everything once. [`run`] runs the checks: those that
//! do not need each other at the same time. Nothing here changes anything but a fix.
//!
//! **To add a check:** its file in `checks/`, with its fix where there is one, its line in [`catalogue`], a section of
//! its id in `docs/troubleshooting.md`; `cargo xtask docs` writes its line of the reference.

pub mod attempt;
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
pub mod undecided;
