//! The reference pages of the documentation, made from the types themselves.

use std::fmt::Write as _;

use crate::env::variable;
use crate::{ActionName, CONTRACT_VERSION, ExitCode, PermissionLevel};

/// The page about the variables the executor reads.
#[must_use]
pub fn variables() -> String {
    let mut page = format!(
        "# Variables the executor reads\n\nContract version {CONTRACT_VERSION}. A variable that is set but blank counts as missing.\n\n\
         ## The task\n\n| name | for | rule |\n|---|---|---|\n"
    );
    rows(&mut page, variable::TASK);
    page.push_str(
        "\n## The connection\n\nEach is also read under its newer name, where the first is not set.\n\n\
         | name | newer name | for | rule |\n|---|---|---|---|\n",
    );
    for v in variable::CONNECTION {
        let newer = v.newer.map_or_else(String::new, |name| format!("`{name}`"));
        let _ = writeln!(page, "| `{}` | {newer} | {} | {} |", v.name, v.when, v.rule);
    }
    page
}

fn rows(page: &mut String, variables: &[&variable::Variable]) {
    for v in variables {
        let _ = writeln!(page, "| `{}` | {} | {} |", v.name, v.when, v.rule);
    }
}

/// The page about exit codes.
#[must_use]
pub fn exit_codes() -> String {
    let mut page = String::from(
        "# Exit codes\n\nThe executor's codes pass through the CLI unchanged.\n\n| code | meaning | who |\n|---|---|---|\n",
    );
    for code in ExitCode::ALL {
        let _ = writeln!(page, "| {code} | {} | {} |", code.meaning(), code.side());
    }
    page
}

/// The page about actions and permission levels.
#[must_use]
pub fn actions() -> String {
    let mut page =
        String::from("# Actions\n\n| action | what it does | writes | variables |\n|---|---|---|---|\n");
    for action in ActionName::ALL {
        let variables: Vec<String> = action.variables().iter().map(|v| format!("`{}`", v.name)).collect();
        let _ = writeln!(
            page,
            "| `{action}` | {} | {} | {} |",
            action.doc(),
            if action.writes() { "yes" } else { "no" },
            variables.join(", ")
        );
    }
    page.push_str("\n## Permission levels\n\nLowest first.\n\n| level | access |\n|---|---|\n");
    for level in PermissionLevel::ALL {
        let _ = writeln!(page, "| `{level}` | {} |", level.access());
    }
    page
}
