//! Runs a task, whichever it is: asks for what its flags do not give, makes its request, and runs that.
//!
//! What a task takes is data ([`TaskCommand`](crate::task_command::TaskCommand)), and so this is the way of every
//! task. Its parameters become the variables that go into the container, and these become the action.

use quill_admin_contract::{ActionName, AdminAction, ExitCode, Password, Username, Variables};

use super::context::Context;
use super::task::{Subject, Task};
use crate::error::CliError;
use crate::password::{self, Owner, PasswordRules};
use crate::prompt::{Choice, Field, Form};
use crate::task_command::{Given, Parameter, PasswordSource, Rule, TaskCall, TextFlag};

pub(super) async fn run(mut context: Context<'_>, call: TaskCall<'_>) -> Result<u8, CliError> {
    let name: ActionName = call.command.name.parse()?;
    if call.takes_password_from(PasswordSource::Stdin) {
        if context.process.stdin_is_terminal {
            return Err(stdin_refused("stdin is a terminal, which would show the password")
                .hint("leave the flag out to be asked for the password, hidden"));
        }
        // Stdin is the password's now: nothing can be asked.
        context.form.unattended();
    }
    let made_here = call.takes_password_from(PasswordSource::Generated);
    let command = call.command;
    let checked = check(&mut context.form, call.given);
    let options = context.task_options(name, call.flags);
    context.need_environment();
    context.form.check()?;
    if made_here && !options.dry_run {
        // It is shown once, at the end: better not begin than lose it.
        context.reporter.check_password_can_be_shown()?;
    }

    let environment = context.environment_for_task(&options)?;
    let place = Place { environment: &environment.name, project: environment.job.project.as_str() };
    // It opens while a person answers. Where nobody is asked, all is judged before anything is sent.
    let (answers, opening) = if context.form.asks() {
        let opening = context.open_for_task(&environment, &options)?;
        (ask(&mut context.form, checked, place)?, opening)
    } else {
        (ask(&mut context.form, checked, place)?, context.open_for_task(&environment, &options)?)
    };
    let username = command.subject.as_deref().and_then(|parameter| answers.text(parameter));
    let subject = Subject {
        username: username.map(str::parse::<Username>).transpose()?,
        generated_password: answers.generated_password.clone(),
    };
    let action = async move {
        let variables = answers.variables(&command.name).await?;
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        AdminAction::from_env(&Variables::new(variables))
            .map_err(|error| CliError::new(error.exit_code(), error.to_string()))
    };
    context.run_task(Task { opening, subject, options, action }).await
}

/// Where a task is going to run, as far as its questions depend on it.
#[derive(Clone, Copy)]
struct Place<'a> {
    environment: &'a str,
    project: &'a str,
}

/// A parameter whose flags were checked.
enum Checked<'a> {
    Text { parameter: &'a Parameter, flag: &'a TextFlag, field: Field<String> },
    Password { parameter: &'a Parameter, source: PasswordSource },
}

/// Checks what the flags give, and has the form note what they do not.
fn check<'a>(form: &mut Form, given: Vec<Given<'a>>) -> Vec<Checked<'a>> {
    let check = |given| match given {
        Given::Text { parameter, flag, text } => {
            let name = format!("--{}", parameter.name);
            let field = form.flag(&name, text.as_deref(), |text| flag.parse(text));
            Checked::Text { parameter, flag, field }
        }
        Given::Password { parameter, source } => {
            if source == PasswordSource::Asked {
                form.need(&format!("--{} or --{}", PasswordSource::STDIN, PasswordSource::GENERATE));
            }
            Checked::Password { parameter, source }
        }
    };
    given.into_iter().map(check).collect()
}

/// Asks for what is still open, in the order of the parameters.
fn ask<'a>(form: &mut Form, checked: Vec<Checked<'a>>, place: Place<'_>) -> Result<Answers<'a>, CliError> {
    let mut answers = Answers { of: Vec::new(), generated_password: None };
    for checked in checked {
        let (parameter, value) = match checked {
            Checked::Text { parameter, flag, field } => {
                let text = match field {
                    Field::Given(text) => text,
                    Field::Open => ask_text(form, &parameter.ask, flag)?,
                };
                (parameter, Value::Text { text, is_email: matches!(flag.rule, Rule::Email { .. }) })
            }
            Checked::Password { parameter, source } => {
                let password = new_password(form, &parameter.ask, source, &answers, place)?;
                if source == PasswordSource::Generated {
                    answers.generated_password = Some(password.clone());
                }
                (parameter, Value::Password(password))
            }
        };
        answers.of.push((parameter, value));
    }
    Ok(answers)
}

/// Asks for a text: by a list where the rule knows values, else by a line.
fn ask_text(form: &mut Form, label: &str, flag: &TextFlag) -> Result<String, CliError> {
    let parse = |text: &str| flag.parse(text);
    let values = flag.rule.candidates();
    if values.is_empty() {
        return form.text(Field::Open, label, parse);
    }
    let mut choices: Vec<Choice> =
        values.iter().map(|value| Choice { name: value.name.clone(), note: value.note.clone() }).collect();
    // A list that is not closed ends with the way out of it.
    if let Rule::Text { .. } = flag.rule {
        choices.push(Choice { name: format!("another {} …", flag.what), note: String::new() });
    }
    match values.get(form.choose(label, &choices)?) {
        Some(value) => flag.parse(&value.name).map_err(CliError::from),
        None => form.text(Field::Open, &format!("{label}, exactly as the database has it"), parse),
    }
}

/// A new password, from wherever it is to come. Whatever was answered before it counts for nothing in it.
fn new_password(
    form: &mut Form,
    label: &str,
    source: PasswordSource,
    before: &Answers<'_>,
    place: Place<'_>,
) -> Result<Password, CliError> {
    let (names, emails) = before.words();
    let owner =
        Owner { names: &names, emails: &emails, environment: place.environment, project: place.project };
    let rules = PasswordRules::default();
    let judge = |secret| password::judge(secret, &rules, owner);
    match source {
        PasswordSource::Asked => {
            form.new_secret(&format!("{label} (hidden)"), &format!("{label}, again"), judge)
        }
        PasswordSource::Stdin => {
            judge(password::from_stdin(password::stdin())?).map_err(|why| stdin_refused(&why))
        }
        PasswordSource::Generated => password::generate(),
    }
}

fn stdin_refused(why: &str) -> CliError {
    CliError::usage(format!("--{}: {why}", PasswordSource::STDIN))
}

/// The values of a task's parameters.
struct Answers<'a> {
    of: Vec<(&'a Parameter, Value)>,
    generated_password: Option<Password>,
}

enum Value {
    Text { text: String, is_email: bool },
    Password(Password),
}

impl Answers<'_> {
    /// The text of a parameter, by its name.
    fn text(&self, parameter: &str) -> Option<&str> {
        self.of.iter().find_map(|(of, value)| match value {
            Value::Text { text, .. } if of.name == parameter => Some(text.as_str()),
            _ => None,
        })
    }

    /// What a password may not be made of: the names, and the email addresses.
    fn words(&self) -> (Vec<&str>, Vec<&str>) {
        let texts = |email: bool| {
            self.of.iter().filter_map(move |(_, value)| match value {
                Value::Text { text, is_email } if *is_email == email => Some(text.as_str()),
                _ => None,
            })
        };
        (texts(false).collect(), texts(true).collect())
    }

    /// The variables that carry the action into the container. Passwords are hashed for it, which takes a
    /// while.
    async fn variables(self, action: &str) -> Result<Vec<(String, String)>, CliError> {
        let mut variables = vec![("ADMIN_ACTION".to_owned(), action.to_owned())];
        for (parameter, value) in self.of {
            let value = match value {
                Value::Text { text, .. } => text,
                Value::Password(password) => {
                    let hash =
                        tokio::task::spawn_blocking(move || password.hash()).await.map_err(|error| {
                            CliError::new(
                                ExitCode::Unexpected,
                                format!("failed to hash the password: {error}"),
                            )
                        })?;
                    hash.expose().to_owned()
                }
            };
            variables.push((parameter.variable(), value));
        }
        Ok(variables)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use quill_admin_contract::Secret;

    use super::*;
    use crate::args::{self, Call};
    use crate::prompt::Prompter;
    use crate::task_command::{Kind, OneValue, TaskCommand};

    /// A task that nothing in this program knows.
    fn set_ward() -> TaskCommand {
        let text = |name: &str, short, rule| Parameter {
            name: name.to_owned(),
            ask: format!("Which {name}"),
            kind: Kind::Text(TextFlag {
                short,
                value_name: name.to_uppercase(),
                help: format!("The {name} it is"),
                what: name.to_owned(),
                rule,
            }),
        };
        let shift = |name: &str, note: &str| OneValue { name: name.to_owned(), note: note.to_owned() };
        TaskCommand {
            name: "set-ward".to_owned(),
            aliases: vec!["sw".to_owned()],
            about: "Put a nurse on a ward".to_owned(),
            after_help: "Example:\n  quill-admin set-ward --env staging".to_owned(),
            parameters: vec![
                text("nurse", Some('n'), Rule::Text { max: 10, suggested: Vec::new() }),
                text("ward", None, Rule::Text { max: 10, suggested: vec!["North".to_owned()] }),
                text(
                    "shift-kind",
                    Some('s'),
                    Rule::OneOf(vec![shift("day", "from 6"), shift("night", "from 22")]),
                ),
                text("pager", None, Rule::Email { max: 20 }),
                Parameter { name: "pin".to_owned(), ask: "Pin".to_owned(), kind: Kind::Password },
            ],
            subject: Some("nurse".to_owned()),
        }
    }

    /// A person who answers from a list; what they were asked is noted.
    struct Script {
        answers: VecDeque<&'static str>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Script {
        fn answer(&mut self, label: &str) -> &'static str {
            self.asked.lock().expect("unpoisoned").push(label.to_owned());
            self.answers.pop_front().expect("an answer is left")
        }
    }

    impl Prompter for Script {
        fn text(
            &mut self,
            label: &str,
            check: &(dyn Fn(&str) -> Result<(), String> + Sync),
        ) -> Result<String, CliError> {
            loop {
                let answer = self.answer(label);
                match check(answer) {
                    Ok(()) => return Ok(answer.to_owned()),
                    Err(why) => self.say(&why),
                }
            }
        }

        fn secret(&mut self, label: &str) -> Result<Secret, CliError> {
            Ok(Secret::new(self.answer(label).to_owned()))
        }

        fn choose(&mut self, label: &str, choices: &[Choice]) -> Result<usize, CliError> {
            let list: Vec<String> =
                choices.iter().map(|choice| format!("{} ({})", choice.name, choice.note)).collect();
            let answer = self.answer(&format!("{label}: {}", list.join(", ")));
            Ok(choices.iter().position(|choice| choice.name == answer).expect("a choice"))
        }

        fn confirm(&mut self, _: &str) -> Result<bool, CliError> {
            Ok(true)
        }

        fn say(&mut self, text: &str) {
            self.asked.lock().expect("unpoisoned").push(text.to_owned());
        }
    }

    const PLACE: Place<'_> = Place { environment: "staging", project: "quill-medical-staging" };

    fn call<'a>(tasks: &'a [TaskCommand], line: &str) -> TaskCall<'a> {
        let words = line.split(' ').map(Into::into);
        match args::parse(tasks, words).expect("it is a command line").call {
            Call::Task(call) => call,
            Call::Other(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_task_that_is_data_alone_is_in_the_help() {
        let mut root = args::command(&[set_ward()]);
        let help = root.render_help().to_string();
        assert!(help.contains("set-ward         Put a nurse on a ward [alias: sw]"), "{help}");
        root.build();
        let command = root.find_subcommand_mut("set-ward").expect("it is a command");
        let help = command.render_help().to_string();
        for line in [
            "Put a nurse on a ward\n\nUsage: quill-admin set-ward [OPTIONS]\n",
            "  -n, --nurse <NURSE>",
            "      --ward <WARD>",
            "  -s, --shift-kind <SHIFT-KIND>",
            "The shift-kind it is",
            "      --password-stdin",
            "      --generate-password",
            "      --reason <TEXT>",
            "\n\nExample:\n  quill-admin set-ward --env staging",
        ] {
            assert!(help.contains(line), "{line}\n{help}");
        }
    }

    #[tokio::test]
    async fn a_task_that_is_data_alone_is_asked_for_and_becomes_variables() {
        let tasks = [set_ward()];
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let pin = "walrus teapot glacier umbrella";
        let answers = ["an answer that is too long", "Ann", "another ward …", "South", "night", pin, pin];
        let script = Script { answers: answers.into(), asked: Arc::clone(&asked) };
        let mut form = Form::new(Some(Box::new(script)));

        let call = call(&tasks, "quill-admin sw --pager a@example.org --dry-run");
        assert!(call.flags.dry_run);
        let checked = check(&mut form, call.given);
        form.check().expect("somebody can be asked");
        let answers = ask(&mut form, checked, PLACE).expect("answered");
        assert_eq!(call.command.subject.as_deref().and_then(|name| answers.text(name)), Some("Ann"));
        assert_eq!(
            *asked.lock().expect("unpoisoned"),
            [
                "Which nurse",
                "the nurse has 26 characters; at most 10 are allowed",
                "Which nurse",
                "Which ward: North (), another ward … ()",
                "Which ward, exactly as the database has it",
                "Which shift-kind: day (from 6), night (from 22)",
                "Pin (hidden)",
                "Pin, again",
            ]
        );
        let mut variables = answers.variables(&call.command.name).await.expect("hashed");
        let (name, hash) = variables.pop().expect("the last parameter");
        assert_eq!((name.as_str(), &hash[..10]), ("ADMIN_PIN_HASH", "$argon2id$"));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            variables,
            [
                ("ADMIN_ACTION", "set-ward"),
                ("ADMIN_NURSE", "Ann"),
                ("ADMIN_WARD", "South"),
                ("ADMIN_SHIFT_KIND", "night"),
                ("ADMIN_PAGER", "a@example.org"),
            ]
        );
    }

    #[test]
    fn what_is_wrong_with_a_task_that_is_data_alone_is_said_at_once() {
        let tasks = [set_ward()];
        let mut form = Form::new(None);
        let call = call(&tasks, "quill-admin set-ward -s noon --pager nobody");
        let _ = check(&mut form, call.given);
        assert_eq!(
            form.check().expect_err("refused").messages,
            [
                "--shift-kind: unknown shift-kind \"noon\"; allowed: day, night",
                "--pager: the pager must contain exactly one @ with something on both sides, as in name@example.org",
                "missing: --nurse, --ward, --password-stdin or --generate-password (there is no terminal to ask at)",
            ]
        );
    }

    #[test]
    fn a_password_that_is_made_here_is_kept_to_be_shown() {
        let tasks = [set_ward()];
        let mut form = Form::new(None);
        let call = call(&tasks, "quill-admin sw -n Ann --ward North -s day --pager a@b --generate-password");
        assert!(call.takes_password_from(PasswordSource::Generated));
        let checked = check(&mut form, call.given);
        form.check().expect("everything is given");
        let answers = ask(&mut form, checked, PLACE).expect("nothing is asked");
        assert!(answers.generated_password.is_some());
    }
}
