//! What a task is going to do, in the words of the file of actions.

use quill_admin_actions::Action;
use quill_admin_contract::{AdminAction, Argument};
use quill_admin_operations::actions;

/// The action and what it is about: `add-role steve.jones`.
pub(super) fn heading(action: &AdminAction) -> String {
    let key = keys(actions::known(action.name()));
    let values = key.iter().filter_map(|name| Some(action.arguments().get(name)?.as_text()?.into_owned()));
    [action.name().to_owned()].into_iter().chain(values).collect::<Vec<_>>().join(" ")
}

/// The other values, each with what it is called. Passwords are not among them.
pub(super) fn values(action: &AdminAction) -> Vec<(String, String)> {
    let known = actions::known(action.name());
    let key = keys(known);
    let words = known.map(|known| known.words.parameters.as_slice()).unwrap_or_default();
    let others = words.iter().filter(|words| !key.contains(&words.parameter));
    others
        .filter_map(|words| Some((words.name.clone(), shown(action.arguments().get(&words.parameter)?)?)))
        .collect()
}

/// The parameters that name what the action is about.
fn keys(action: Option<&Action>) -> &[String] {
    action
        .and_then(|action| action.definition.subject.as_ref())
        .map(|subject| subject.key.as_slice())
        .unwrap_or_default()
}

fn shown(value: &Argument) -> Option<String> {
    match value {
        Argument::Password(_) => None,
        Argument::Boolean(true) => Some("yes".to_owned()),
        Argument::Boolean(false) => Some("no".to_owned()),
        value => Some(value.values().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::{Secret, Variables};

    use super::*;

    fn action(variables: &[(&str, &str)]) -> AdminAction {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        AdminAction::from_env(&Variables::new(variables), actions::of_this_run()).expect("valid")
    }

    #[test]
    fn a_plan_says_what_is_done_to_whom_and_no_password() {
        let hash = quill_admin_contract::Password::parse(Secret::new("walrus teapot glacier".to_owned()))
            .expect("a password")
            .hash();
        let create = action(&[
            ("ADMIN_ACTION", "create-user"),
            ("ADMIN_USERNAME", "steve.jones"),
            ("ADMIN_EMAIL", "steve@example.org"),
            ("ADMIN_PERMISSION", "staff"),
            ("ADMIN_ROLE", "Clinician\nPatient"),
            ("ADMIN_PASSWORD_HASH", hash.expose()),
        ]);
        assert_eq!(heading(&create), "create-user steve.jones");
        let values: Vec<String> =
            values(&create).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            values,
            [
                "email: steve@example.org",
                "permission level: staff",
                "profession: patient",
                "role: Clinician, Patient"
            ]
        );
    }

    #[test]
    fn what_is_about_nothing_has_its_name_alone() {
        assert_eq!(heading(&AdminAction::check()), "check");
        let list = action(&[("ADMIN_ACTION", "list-users"), ("ADMIN_INACTIVE", "true")]);
        assert_eq!((heading(&list).as_str(), values(&list).len()), ("list-users", 1));
    }
}
