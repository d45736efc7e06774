//! Makes the task commands from the actions that the application's file declares, and adds `check`, the one
//! action that no file declares.

use quill_admin_actions::{Action, Actions, ParameterWords};
use quill_admin_contract::CHECK;

use super::{TaskCommand, TaskParameter, help};
use crate::quotes;

/// The task commands, in the order in which help lists them: that of the actions, then `check`.
#[must_use]
pub fn catalogue(actions: &Actions) -> Vec<TaskCommand> {
    actions.iter().map(of_action).chain([check()]).collect()
}

fn of_action(action: &Action) -> TaskCommand {
    let parameters: Vec<TaskParameter> = action
        .words
        .parameters
        .iter()
        .filter_map(|words| {
            let rule = action.definition.parameters.get(&words.parameter)?.clone();
            Some(TaskParameter { rule, words: shown(words) })
        })
        .collect();
    let about = action.words.short_about.as_ref().unwrap_or(&action.words.about);
    TaskCommand {
        name: action.name.clone(),
        aliases: action.words.alias.iter().cloned().collect(),
        about: quotes::doubled(&help::capitalised(about)),
        after_help: help::of_job(action.definition.job.as_ref())
            + &help::of_rows(action.definition.rows.as_ref())
            + &help::below_options(&action.name, action.words.alias.as_deref(), &parameters),
        parameters,
        writes: action.writes(),
        previews: action.writes() && !action.is_job(),
    }
}

/// The words as a person sees them.
fn shown(words: &ParameterWords) -> ParameterWords {
    let mut words = words.clone();
    for text in [&mut words.name, &mut words.ask] {
        *text = quotes::doubled(text);
    }
    for note in words.values.iter_mut().filter_map(|value| value.note.as_mut()) {
        *note = quotes::doubled(note);
    }
    words
}

/// The one action that no file declares.
fn check() -> TaskCommand {
    TaskCommand {
        name: CHECK.to_owned(),
        aliases: Vec::new(),
        about: "Look whether tasks can run: database, schema, rights, TLS".to_owned(),
        after_help: format!("Changes nothing.\n\n{}", help::below_options(CHECK, None, &[])),
        parameters: Vec::new(),
        writes: false,
        previews: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quill_admin_operations::actions;

    #[test]
    fn every_action_has_one_command_with_its_variables() {
        let commands = catalogue(actions::of_this_run());
        for action in actions::of_this_run().iter() {
            let named: Vec<&TaskCommand> =
                commands.iter().filter(|command| command.name == action.name).collect();
            let [command] = named.as_slice() else { panic!("{} has {} commands", action.name, named.len()) };
            assert_eq!(command.writes, action.writes());
            assert_eq!(command.parameters.len(), action.definition.parameters.len());
        }
        assert_eq!(commands.len(), actions::of_this_run().iter().count() + 1);
        assert!(commands.last().is_some_and(|command| command.name == CHECK && !command.writes));
    }

    #[test]
    fn the_six_commands_are_called_as_ever() {
        let commands = catalogue(actions::of_this_run());
        let flags = |name: &str| {
            let command = commands.iter().find(|command| command.name == name).expect("a command");
            let flags = command.command();
            let flags = flags.get_arguments().take_while(|arg| arg.get_id() != "reason").map(|arg| {
                let short = arg.get_short().map_or_else(String::new, |letter| format!("-{letter} "));
                format!("{short}--{}", arg.get_long().unwrap_or_default())
            });
            (command.aliases.join(" "), flags.collect::<Vec<_>>().join(", "))
        };
        let user = "-u --username";
        for (name, alias, expected) in [
            ("create-superadmin", "cs", "-u --username, --email, --password-stdin, --generate-password"),
            ("update-permissions", "up", "-u --username, -p --permission"),
            ("add-role", "ar", "-u --username, -r --role"),
            ("remove-role", "", "-u --username, -r --role"),
            ("show-user", "", user),
            ("check", "", ""),
        ] {
            assert_eq!(flags(name), (alias.to_owned(), expected.to_owned()), "{name}");
        }
    }
}
