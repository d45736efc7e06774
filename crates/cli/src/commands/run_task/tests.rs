//! Tests of task commands, with an action that nothing in this program knows and a script in the place of the person.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use quill_admin_actions::Actions;
use quill_admin_contract::Secret;

use super::*;
use crate::args::{self, Call};
use crate::prompt::{Choice, Form, Prompter};
use crate::task_command::{TaskCommand, catalogue};

/// An action that nothing in this program knows.
const SET_WARD: &str = r#"
format: 1
schema: public
tables:
  nurses:
    needs: [name, ward]
    rights: [select, update]
subjects:
  nurse:
    key: nurse
    lock: SELECT FROM nurses WHERE name = :nurse FOR UPDATE
    query: SELECT name::text AS nurse, ward::text FROM nurses WHERE name = :nurse
    fields:
      ward:
    absent: { exit: 10, say: "there is no nurse {nurse}" }
actions:
  set-ward:
    alias: sw
    about: puts a nurse on a ward
    short_about: Put a nurse on a ward
    parameters:
      nurse: { type: text, max: 10, short: n, ask: Which nurse }
      ward: { type: text, max: 10, suggest: [North], ask: Which ward }
      shift_kind:
        type: one_of
        short: s
        ask: Which shift kind
        values: { day: { note: from 6 }, night: { note: from 22 } }
      pager: { type: email, max: 20, ask: Which pager }
      pin: { type: password, hash: argon2id-quill }
      key: { type: text, max: 10, many: true, ask: Key }
      beds: { type: integer, min: 0, max: 40, default: 12, ask: Beds }
      first_day: { type: date, optional: true }
      alone: { type: boolean, optional: true, ask: Alone on it }
    subject: { nurse: must exist }
    steps:
      - write: >-
          UPDATE nurses SET ward = :ward
           WHERE name = :nurse AND ward IS DISTINCT FROM :ward AND :shift_kind::text IS NOT NULL
             AND :pager::text IS NOT NULL AND :pin::text IS NOT NULL AND :beds::bigint > 0
             AND name <> ALL (:key) AND (:first_day::date IS NULL OR NOT coalesce(:alone, false))
"#;

fn declared() -> &'static Actions {
    static DECLARED: LazyLock<Actions> = LazyLock::new(|| {
        let compiled = quill_admin_application::compile(Path::new("actions.yaml"), SET_WARD.as_bytes());
        compiled.unwrap_or_else(|broken| panic!("{broken}")).actions
    });
    &DECLARED
}

fn tasks() -> Vec<TaskCommand> {
    catalogue(declared())
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
    let mut root = args::command(&tasks());
    let help = root.render_help().to_string();
    assert!(help.contains("set-ward (sw)"), "{help}");
    root.build();
    let command = root.find_subcommand_mut("set-ward").expect("it is a command");
    let help = command.render_help().to_string();
    for line in [
        "Put a nurse on a ward\n\nUsage: quill-admin set-ward [OPTIONS] [ENV]\n",
        "  -n, --nurse <NURSE>",
        "      --ward <WARD>",
        "  -s, --shift-kind <KIND>",
        "Which shift kind: day or night",
        "      --password-stdin",
        "      --generate-password",
        "      --alone[=<BOOLEAN>]",
        "Beds, 0 to 40 [default: 12]",
        "      --reason <TEXT>",
        "\n\nShift kind:\n  day    from 6\n  night  from 22\n",
        "\n\nExamples:\n  quill-admin set-ward --env staging\n",
        "  quill-admin sw -e local -n NURSE --ward North -s day \\\n      --pager steve@example.org",
    ] {
        assert!(help.contains(line), "{line}\n{help}");
    }
}

const PIN: &str = "walrus teapot glacier umbrella";

#[tokio::test]
async fn a_task_that_is_data_alone_is_asked_for_and_becomes_an_action() {
    let tasks = tasks();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let answers = [
        "an answer that is too long",
        "Ann",
        "another ward …",
        "South",
        "night",
        PIN,
        PIN,
        "A1",
        "A1",
        "B2",
        "",
    ];
    let script = Script { answers: answers.into(), asked: Arc::clone(&asked) };
    let mut form = Form::new(Some(Box::new(script)));

    let call = call(&tasks, "quill-admin sw --pager a@example.org --dry-run --alone");
    assert!(call.flags.dry_run);
    let checked = check(&mut form, call.given);
    form.check().expect("somebody can be asked");
    let answers = ask(&mut form, checked, PLACE).expect("answered");
    assert_eq!(answers.text("nurse").as_deref(), Some("Ann"));
    assert_eq!((answers.text("pin"), answers.generated_password().is_some()), (None, false));
    assert_eq!(
        *asked.lock().expect("unpoisoned"),
        [
            "Which nurse",
            "the nurse has 26 characters; at most 10 are allowed",
            "Which nurse",
            "Which ward: North (), another ward … ()",
            "Which ward, exactly as the database has it",
            "Which shift kind: day (from 6), night (from 22)",
            "Pin (hidden)",
            "Pin, again",
            "Key",
            "another key (Enter alone: no more)",
            "the key is given the same value twice, as number 1 and as number 2",
            "another key (Enter alone: no more)",
            "another key (Enter alone: no more)",
        ]
    );
    let action = answers.into_action(&call.command.name, declared()).await.expect("valid");
    assert_eq!((action.name(), action.writes()), ("set-ward", true));
    let mut variables = action.arguments().to_env();
    let hash = variables.iter().position(|(name, _)| name == "ADMIN_PIN_HASH").expect("the password's hash");
    assert!(variables.remove(hash).1.starts_with("$argon2id$"));
    variables.sort();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        variables,
        [
            ("ADMIN_ALONE", "true"),
            ("ADMIN_BEDS", "12"),
            ("ADMIN_KEY", "A1\nB2"),
            ("ADMIN_NURSE", "Ann"),
            ("ADMIN_PAGER", "a@example.org"),
            ("ADMIN_SHIFT_KIND", "night"),
            ("ADMIN_WARD", "South"),
        ]
    );
}

#[test]
fn what_is_wrong_with_a_task_that_is_data_alone_is_said_at_once() {
    let tasks = tasks();
    let mut form = Form::new(None);
    let line = "quill-admin set-ward -s noon --pager nobody --beds 41 --first-day today --alone=maybe --key A --key A";
    let call = call(&tasks, line);
    let _ = check(&mut form, call.given);
    assert_eq!(
        form.check().expect_err("refused").messages,
        [
            "--shift-kind: unknown shift kind \"noon\"; allowed: day, night",
            "--pager: the pager must contain exactly one @ with something on both sides, as in name@example.org",
            "--key: the key is given the same value twice, as number 1 and as number 2",
            "--beds: the beds must be a whole number from 0 to 40",
            "--first-day: the first day must be a day of the calendar, as in 2026-11-29",
            "--alone: unknown alone \"maybe\"; allowed: true, false",
            "missing: --nurse, --ward, --password-stdin or --generate-password (there is no terminal to ask at)",
        ]
    );
}

#[test]
fn several_are_chosen_from_a_list_until_there_are_no_more() {
    let tasks = catalogue(quill_admin_operations::actions::of_this_run());
    let command = tasks.iter().find(|task| task.name == "create-user").expect("a command");
    let role = command.parameters.iter().find(|parameter| parameter.name() == "role").expect("a parameter");
    let mut role = role.clone();
    role.rule.optional = false;
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let answers = ["Patient", "another role …", "Night Porter", "no more"].into();
    let mut form = Form::new(Some(Box::new(Script { answers, asked: Arc::clone(&asked) })));
    let given = vec![crate::task_command::Given::Text { parameter: &role, text: None }];
    let checked = check(&mut form, given);
    let answers = ask(&mut form, checked, PLACE).expect("answered");
    assert_eq!(answers.text("role").as_deref(), Some("Patient\nNight Porter"));
    let asked = asked.lock().expect("unpoisoned");
    assert!(
        asked[0].starts_with("Role: System Administrator ()") && !asked[0].contains("no more"),
        "{asked:?}"
    );
    assert!(
        asked[1].ends_with("another role … (), no more ()") && !asked[1].contains("Patient ()"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_may_be_left_out_is_not_asked_for() {
    let tasks = catalogue(quill_admin_operations::actions::of_this_run());
    let line =
        "quill-admin create-user -u ann --email ann@example.org -p staff --role Patient --role Clinician";
    let mut form = Form::new(None);
    let call = call(&tasks, line);
    let checked = check(&mut form, call.given);
    form.check().expect("nothing is missing");
    let answers = ask(&mut form, checked, PLACE).expect("nothing is asked");
    let action = answers
        .into_action("create-user", quill_admin_operations::actions::of_this_run())
        .await
        .expect("valid");
    let variables = action.arguments().to_env();
    let of = |name: &str| variables.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
    assert_eq!(of("ADMIN_ROLE"), Some("Patient\nClinician"));
    assert_eq!(of("ADMIN_PROFESSION"), Some("patient"));
    assert!(of("ADMIN_PASSWORD_HASH").is_some_and(|hash| hash.starts_with("$argon2id$")), "{variables:?}");
}

#[test]
fn a_password_that_is_made_here_is_kept_to_be_shown() {
    let tasks = tasks();
    let mut form = Form::new(None);
    let line = "quill-admin sw -n Ann --ward North -s day --pager a@b --key A --generate-password";
    let call = call(&tasks, line);
    assert!(call.takes_password_from(PasswordSource::Generated));
    let checked = check(&mut form, call.given);
    form.check().expect("everything is given");
    let answers = ask(&mut form, checked, PLACE).expect("nothing is asked");
    assert!(answers.generated_password().is_some());
}
