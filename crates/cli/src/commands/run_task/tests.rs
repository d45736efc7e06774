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
