//! `reference`: prints pages of the documentation that are made from this program's data. It is not for
//! people: `cargo xtask docs` writes the pages into files.
//!
//! **To add a page:** its variant in `args.rs`, its text in [`run`], its file in `xtask/src/docs.rs`.

mod actions;

use super::context::Context;
use crate::args::{self, Page, Reference};
use crate::help;
use crate::task_command::TaskCommand;

pub(super) fn run(context: &Context<'_>, tasks: &[TaskCommand], args: &Reference) -> u8 {
    let root = args::command(tasks);
    let topic = |name: &str| help::topic(name).map(|topic| topic.page(&root, tasks)).unwrap_or_default();
    context.reporter.script(&match args.page {
        Page::Actions => actions::page(quill_admin_operations::actions::of_this_run()),
        Page::Commands => help::page(root),
        Page::Environments => topic("environments"),
        Page::Options => topic("options"),
        Page::Permissions => topic("permissions"),
    })
}
