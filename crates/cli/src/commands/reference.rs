//! `reference`: prints pages of the documentation that are made from this program's data. It is not for
//! people: `cargo xtask docs` writes the pages into files.
//!
//! **To add a page:** its variant in `args.rs`, its text in [`run`], its file in `xtask/src/docs.rs`.

mod actions;

use std::fmt::Write as _;

use quill_admin_cloud::{PERMISSIONS, Purpose};
use quill_admin_operations::config;

use super::context::Context;
use crate::args::{Page, Reference};

pub(super) fn run(context: &Context<'_>, args: &Reference) -> u8 {
    context.reporter.script(&match args.page {
        Page::Actions => actions::page(quill_admin_operations::actions::of_this_run()),
        Page::Environments => config::reference_page(),
        Page::Permissions => permissions(),
    })
}

fn permissions() -> String {
    let mut page = String::from(
        "# Permissions\n\nWhat a person must be allowed to do, by what it is for, with the smallest predefined role \
         that gives it. `quill-admin whoami` says which are missing.\n",
    );
    let mut purposes: Vec<Purpose> = PERMISSIONS.iter().map(|permission| permission.purpose).collect();
    purposes.dedup();
    for purpose in purposes {
        let title = match purpose {
            Purpose::Tasks => "Running tasks".to_owned(),
            other => format!("`{other}`"),
        };
        let _ = write!(page, "\n## {title}\n\n| permission | role |\n|---|---|\n");
        for permission in PERMISSIONS.iter().filter(|permission| permission.purpose == purpose) {
            let _ = writeln!(page, "| `{}` | `{}` |", permission.name, permission.role);
        }
    }
    page
}
