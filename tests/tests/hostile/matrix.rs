//! Every command with every fault at each of its requests.

use cloud_emulator::{Fault, FaultAction, Script, Step};
use quill_admin_e2e::{JOB, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::needs_postgres;
use serde_json::json;

use super::fixture::{Ending, Fixture, LIMIT, Task, counted, everywhere};

/// Largest number of requests of a command. A fault after the last request has no effect.
const REQUESTS: u32 = 9;
const AT_ONCE: usize = 24;
/// Number of reading commands that run at the same time: they mostly wait.
const QUESTIONS_AT_ONCE: usize = 20;

fn actions() -> Vec<FaultAction> {
    let mut actions = vec![
        FaultAction::ResetBefore,
        FaultAction::ResetAfter,
        FaultAction::CarryOutLate(300),
        FaultAction::Truncate { bytes: 0 },
        FaultAction::Truncate { bytes: 60 },
        FaultAction::Delay(400),
    ];
    actions.extend([400, 401, 403, 404, 409, 429, 500, 503].map(|code| FaultAction::status(code, "said so")));
    actions
}

fn at(request: u32, action: FaultAction) -> Vec<Fault> {
    vec![Fault::new("*", action).after(request).times(1)]
}

const TASKS: [Task; 6] = [
    Task::CreateSuperadmin,
    Task::UpdatePermissions,
    Task::AddRole,
    Task::RemoveRole,
    Task::ShowUser,
    Task::Check,
];

#[test]
fn every_task_through_every_fault_at_every_request() {
    needs_postgres!();
    let mut work = Vec::new();
    for task in TASKS {
        for request in 0..REQUESTS {
            work.extend(actions().into_iter().map(|action| (task, request, action)));
        }
    }
    let work: Vec<_> = work.into_iter().enumerate().collect();
    let count = work.len();
    let endings = everywhere(AT_ONCE, work, |work| {
        let fixture = Fixture::new(count);
        work.map(|(number, (task, request, action))| {
            let about = format!("request {request}, {action:?}");
            let output = fixture.run(task, number, at(request, action));
            fixture.world.emulator.set_faults([]);
            fixture.world.idle();
            fixture.judge(task, number, &output, &about)
        })
        .collect()
    });
    let counts = counted(endings);
    println!("{count} runs: {counts:?}");
    assert!(counts[&Ending::Done] > count * 8 / 10, "{counts:?}");
}

/// The commands that are run afterwards, about an execution that was not followed.
#[derive(Debug, Clone, Copy)]
enum Afterwards {
    Attach,
    Cancel,
    Logs,
    Follow,
    History,
    Whoami,
}

#[test]
fn every_question_through_every_fault_at_every_request() {
    use Afterwards::{Attach, Cancel, Follow, History, Logs, Whoami};
    let mut work = Vec::new();
    for question in [Attach, Cancel, Logs, Follow, History, Whoami] {
        for request in 0..REQUESTS {
            work.extend(actions().into_iter().map(|action| (question, request, action)));
        }
    }
    everywhere(QUESTIONS_AT_ONCE, work, |work| {
        work.map(|(question, request, action)| ask(question, request, action)).collect()
    });
}

fn ask(question: Afterwards, request: u32, action: FaultAction) {
    let script = if let Afterwards::Cancel = question {
        Script::new([Step::log("working"), Step::Forever])
    } else {
        let outcome = json!({"result": "failed", "failure": {"message": "no answer"}});
        let result = json!({"quill_admin": {"contract": 1, "exit_code": 13, "outcome": outcome}});
        let steps = [Step::log("working"), Step::Wait(200), Step::log(result.to_string()), Step::Exit(13)];
        Script::new(steps)
    };
    let world = World::scripted(script);
    let execution = world.start_job();
    let about = format!("{question:?}, request {request}, {action:?}");
    world.emulator.set_faults(at(request, action));
    let args: &[&str] = match question {
        Afterwards::Attach => &["attach", &execution, "--json"],
        Afterwards::Cancel => &["cancel", &execution, "--json"],
        Afterwards::Logs => &["logs", &execution, "--json"],
        Afterwards::Follow => &["logs", &execution, "--follow"],
        Afterwards::History => &["history", "--json", "-e", "staging"],
        Afterwards::Whoami => &["whoami", "--json", "-e", "staging"],
    };
    let output = world.quill_admin(args.iter().copied()).limit(LIMIT).output();
    let about = format!("{about}:\n{output}");
    assert_eq!(world.emulator.executions(JOB).len(), 1, "nothing is started: {about}");
    assert_eq!(world.runs(), 1, "nothing is started: {about}");
    match (question, output.code()) {
        (Afterwards::Attach, 13) => assert_eq!(output.json()["execution"], execution.as_str(), "{about}"),
        (Afterwards::Cancel, 0) => {
            let ended = &world.emulator.executions(JOB)[0];
            assert_eq!(ended["cancelledCount"], 1, "{about}");
        }
        (Afterwards::Logs, 0) => assert_eq!(output.json()["entries"][0]["message"], "working", "{about}"),
        (Afterwards::Follow, 0) => assert_eq!(output.stdout.matches("working").count(), 1, "{about}"),
        (Afterwards::History, 0) => {
            assert_eq!(output.json()["runs"][0]["execution"], execution.as_str(), "{about}");
        }
        (Afterwards::Whoami, 0) => assert_eq!(output.json()["exit_code"], 0, "{about}"),
        // The execution failed, and its ending could not be read.
        (Afterwards::Attach, 27) if output.stdout.contains("\"ending\"") => {
            assert_eq!(output.json()["ending"], "unknown", "{about}");
        }
        (_, 20..=23 | 27) => told_why(&output, &about),
        (_, code) => panic!("it ended with {code}: {about}"),
    }
}

/// Checks that the output says what failed and why, as one document where that was asked for.
fn told_why(output: &Output, about: &str) {
    if output.stdout.trim_start().starts_with('{') {
        assert!(
            output.json()["error"]["messages"][0].as_str().is_some_and(|text| !text.is_empty()),
            "{about}"
        );
    } else {
        assert!(output.stderr.contains("error: "), "{about}");
    }
}
