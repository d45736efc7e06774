//! The task commands of today, written down as data.
//!
//! **To add one** for an action that the contract knows: a value here. Its help, questions, completions and
//! manual page follow from it.

use quill_admin_contract::{KNOWN_ROLES, PermissionLevel};

use super::{Kind, OneValue, Parameter, Rule, TaskCommand, TextFlag};

/// The task commands, in the order in which help lists them.
#[must_use]
pub fn catalogue() -> Vec<TaskCommand> {
    vec![create_superadmin(), update_permissions(), add_role(), remove_role(), show_user(), check()]
}

fn create_superadmin() -> TaskCommand {
    let email = Parameter {
        name: "email".to_owned(),
        ask: "Email".to_owned(),
        kind: Kind::Text(TextFlag {
            short: None,
            value_name: "ADDRESS".to_owned(),
            help: "Email address".to_owned(),
            what: "email".to_owned(),
            rule: Rule::Email { max: 255 },
        }),
    };
    let password =
        Parameter { name: "password".to_owned(), ask: "Password".to_owned(), kind: Kind::Password };
    TaskCommand {
        name: "create-superadmin".to_owned(),
        aliases: vec!["cs".to_owned()],
        about: "Create a superadmin, or make an existing user one".to_owned(),
        after_help: "\
Asks for what no flag gives. The password is hidden, asked twice, and hashed on
this machine: it is never sent anywhere.

Examples:
  quill-admin create-superadmin --env staging
  quill-admin cs -e local -u steve.jones --email steve@example.org \\
      --generate-password
  pass show quill | quill-admin cs -e local -u steve.jones \\
      --email steve@example.org --password-stdin"
            .to_owned(),
        parameters: vec![username("Login name, 1 to 150 characters"), email, password],
        subject: Some(USERNAME.to_owned()),
    }
}

fn update_permissions() -> TaskCommand {
    let permission = Parameter {
        name: "permission".to_owned(),
        ask: "Permission level".to_owned(),
        kind: Kind::Text(TextFlag {
            short: Some('p'),
            value_name: "LEVEL".to_owned(),
            help: "patient, staff, admin or superadmin".to_owned(),
            what: "permission level".to_owned(),
            rule: Rule::OneOf(
                PermissionLevel::ALL
                    .map(|level| OneValue { name: level.to_string(), note: level.access().to_owned() })
                    .to_vec(),
            ),
        }),
    };
    TaskCommand {
        name: "update-permissions".to_owned(),
        aliases: vec!["up".to_owned()],
        about: "Set a user's system permission level".to_owned(),
        after_help: "\
Levels, lowest first:
  patient     own records only
  staff       clinical application access
  admin       user management, patient admin, audit logs
  superadmin  system configuration, database access, full access

Example:
  quill-admin update-permissions --env staging -u steve.jones -p admin"
            .to_owned(),
        parameters: vec![username(LOGIN_NAME), permission],
        subject: Some(USERNAME.to_owned()),
    }
}

fn add_role() -> TaskCommand {
    TaskCommand {
        name: "add-role".to_owned(),
        aliases: vec!["ar".to_owned()],
        about: "Give a user a role".to_owned(),
        after_help: "\
The application's roles: System Administrator, Clinical Administrator,
Clinician, Clinical Support Staff, Patient, Patient Advocate. The database
decides which exist.

Example:
  quill-admin add-role --env staging -u steve.jones -r \"Clinical Administrator\""
            .to_owned(),
        parameters: vec![username(LOGIN_NAME), role()],
        subject: Some(USERNAME.to_owned()),
    }
}

fn remove_role() -> TaskCommand {
    TaskCommand {
        name: "remove-role".to_owned(),
        aliases: Vec::new(),
        about: "Take a role from a user".to_owned(),
        after_help: "\
Example:
  quill-admin remove-role -e staging -u steve.jones -r Clinician"
            .to_owned(),
        parameters: vec![username(LOGIN_NAME), role()],
        subject: Some(USERNAME.to_owned()),
    }
}

fn show_user() -> TaskCommand {
    TaskCommand {
        name: "show-user".to_owned(),
        aliases: Vec::new(),
        about: "Show a user: levels, roles, whether they can log in".to_owned(),
        after_help: "\
Example:
  quill-admin show-user --env staging --username steve.jones"
            .to_owned(),
        parameters: vec![username(LOGIN_NAME)],
        subject: Some(USERNAME.to_owned()),
    }
}

fn check() -> TaskCommand {
    TaskCommand {
        name: "check".to_owned(),
        aliases: Vec::new(),
        about: "Look whether tasks can run: database, schema, roles, TLS".to_owned(),
        after_help: "\
Changes nothing.

Example:
  quill-admin check --env staging"
            .to_owned(),
        parameters: Vec::new(),
        subject: None,
    }
}

const USERNAME: &str = "username";

const LOGIN_NAME: &str = "Login name";

fn username(help: &str) -> Parameter {
    Parameter {
        name: USERNAME.to_owned(),
        ask: "Username".to_owned(),
        kind: Kind::Text(TextFlag {
            short: Some('u'),
            value_name: "NAME".to_owned(),
            help: help.to_owned(),
            what: "username".to_owned(),
            rule: Rule::Text { max: 150, suggested: Vec::new() },
        }),
    }
}

fn role() -> Parameter {
    Parameter {
        name: "role".to_owned(),
        ask: "Role".to_owned(),
        kind: Kind::Text(TextFlag {
            short: Some('r'),
            value_name: "ROLE".to_owned(),
            help: "Exact name of the role".to_owned(),
            what: "role".to_owned(),
            rule: Rule::Text { max: 64, suggested: KNOWN_ROLES.map(str::to_owned).to_vec() },
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quill_admin_contract::ActionName;

    use super::*;

    #[test]
    fn every_action_has_one_command_with_its_variables() {
        let commands = catalogue();
        let named = |name: &&str| commands.iter().filter(|command| command.name == *name).count();
        for action in ActionName::ALL {
            assert_eq!(named(&action.as_str()), 1, "{action}");
            let command = commands.iter().find(|command| command.name == action.as_str()).expect("found");
            let variables: Vec<String> = command.parameters.iter().map(Parameter::variable).collect();
            let expected: Vec<&str> = action.variables().iter().map(|variable| variable.name).collect();
            assert_eq!(variables, expected, "{action}");
        }
        assert_eq!(commands.len(), ActionName::ALL.len());
    }

    #[test]
    fn a_subject_is_a_parameter_that_is_a_text() {
        for command in catalogue() {
            let texts: BTreeSet<&str> = command
                .parameters
                .iter()
                .filter(|parameter| matches!(parameter.kind, Kind::Text(_)))
                .map(|parameter| parameter.name.as_str())
                .collect();
            assert!(command.subject.iter().all(|name| texts.contains(name.as_str())), "{}", command.name);
        }
    }
}
