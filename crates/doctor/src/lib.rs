//! The doctor: checks of this machine and of environments, their findings, and fixes for some of them.
//!
//! A [check](check::Check) examines one thing, a [finding](finding::Finding) says what is wrong with it, a
//! [fix](fix::Fix) corrects it. Checks get their knowledge of the outside from [`inquiries`], which asks every
//! question once. [`run`] runs the checks, those that do not need each other at the same time. Only fixes
//! change anything.
//!
//! **To add a check:** its file in `checks/`, with its fix where there is one, its line in `checks/mod.rs`
//! and in [`catalogue`], and a section with its id in `docs/troubleshooting.md`, at the same place in the order
//! and with the four parts that every section has; `cargo xtask docs` writes its title there, and its line of
//! the reference. Snapshots of the doctor's whole output have one line more then.

pub mod attempt;
pub mod catalogue;
pub mod check;
mod checks;
pub mod explain;
pub mod finding;
pub mod fix;
pub mod inquiries;
pub mod pages;
pub mod repository;
pub mod run;
pub mod startup;
pub mod undecided;
