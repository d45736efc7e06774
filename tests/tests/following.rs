//! Following a run: every line of its log once, live where possible, and with no more requests than the
//! project's quota allows.

use std::thread;
use std::time::{Duration, Instant};

use cloud_emulator::{Builder, Emulator, Fault, FaultAction, RecordedCall, Script, Step};
use quill_admin_e2e::{Finished as _, TAIL, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::endings::result;

const SHOW_USER: [&str; 5] = ["show-user", "-e", "staging", "-u", "steve"];
const READ: &str = "/entries:list";

fn show_user(world: &World) -> Output {
    world.quill_admin(SHOW_USER).output()
}

/// The log lines that a person saw.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("  │ ")).map(str::trim_end).collect()
}

/// Numbered lines, in order, some at once and some after a pause.
fn numbered(count: usize, pause: Duration) -> (Vec<String>, Vec<Step>) {
    let lines: Vec<String> = (0..count).map(|number| format!("line {number:03}")).collect();
    let mut steps = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if number % 10 == 5 {
            steps.push(Step::wait(pause));
        }
        steps.push(Step::log(line));
    }
    (lines, steps)
}

fn ending(mut steps: Vec<Step>) -> Script {
    steps.extend([result(13), Step::Exit(13)]);
    Script::new(steps)
}

/// Checks that every line was seen exactly once.
fn assert_every_line_once(seen: &[&str], written: &[String], about: &str) {
    let mut seen = seen.to_vec();
    seen.sort_unstable();
    let (missing, more): (Vec<_>, Vec<_>) = (
        written.iter().filter(|line| !seen.contains(&line.as_str())).collect(),
        seen.iter()
            .enumerate()
            .filter(|(at, line)| written.get(*at).is_none_or(|own| own != **line))
            .collect(),
    );
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, or too often {more:?}: {about}");
}

fn paths(world: &World, end: &str) -> Vec<RecordedCall> {
    world.emulator.calls().into_iter().filter(|call| call.path.ends_with(end)).collect()
}

/// The times at which the state was asked for.
fn polls(world: &World) -> Vec<Duration> {
    let is_poll = |call: &RecordedCall| call.method == "GET" && call.path.contains("/executions/");
    let tasks = |call: &RecordedCall| call.path.ends_with("/tasks");
    let calls = world.emulator.calls().into_iter().filter(|call| is_poll(call) && !tasks(call));
    calls.map(|call| Duration::from_nanos(call.received_ns)).collect()
}

fn tail_fault(action: FaultAction) -> Fault {
    Fault::new(format!("*{TAIL}"), action)
}

/// Runs all cases at the same time: they mostly wait.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            let check = &check;
            scope.spawn(move || check(case));
        }
    });
}

#[test]
fn a_line_is_seen_while_the_task_runs() {
    let script = ending(vec![
        Step::wait(Duration::from_millis(700)),
        Step::log("one"),
        Step::wait(Duration::from_secs(1)),
        Step::log("two"),
        Step::wait(Duration::from_secs(1)),
    ]);
    let world = World::scripted(script);
    let mut terminal = world.quill_admin(SHOW_USER).terminal();
    terminal.expect("│ one");
    let another = json!({
        "logName": "projects/quill-medical-staging/logs/run.googleapis.com%2Fstdout",
        "resource": {"type": "cloud_run_job", "labels": {
            "job_name": "quill-tasks-staging", "location": "europe-west2",
        }},
        "labels": {"run.googleapis.com/execution_name": "quill-tasks-staging-other"},
        "textPayload": "of another execution",
    });
    world.emulator.put_log_entry(another).expect("put");
    terminal.expect("│ two");
    assert_eq!(paths(&world, READ), [], "it came live");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 13, "{}", ended.transcript);
    assert!(!ended.text().contains("another"), "{}", ended.text());
    assert_eq!(paths(&world, TAIL).len(), 1);
}

#[test]
fn without_a_live_log_it_is_read() {
    let limit = || Emulator::builder().log_tails_per_project(0);
    let denied = FaultAction::status(403, "Permission denied for all log views");
    let unknown = FaultAction::status(501, "TailLogEntries is not there");
    let never = FaultAction::Delay(60_000);
    let cases = [
        ("over the limit", limit(), None, 2..=6),
        ("denied", Emulator::builder(), Some(denied), 1..=1),
        ("unknown", Emulator::builder(), Some(unknown), 1..=1),
        ("reset", Emulator::builder(), Some(FaultAction::ResetBefore), 2..=6),
        ("no answer", Emulator::builder(), Some(never), 1..=1),
    ];
    at_once(cases, |(what, builder, fault, tails)| {
        let script =
            ending(vec![Step::log("one"), Step::wait(Duration::from_millis(2600)), Step::log("two")]);
        let world = World::scripted_in(builder, script);
        world.emulator.set_faults(fault.map(tail_fault));
        let mut terminal = world.quill_admin(SHOW_USER).terminal();
        terminal.expect("│ one");
        assert_eq!(paths(&world, READ).len(), 1, "{what}: before the end");
        let ended = terminal.wait();
        assert_eq!(ended.code(), 13, "{what}: {}", ended.transcript);
        assert!(ended.text().contains("│ two"), "{what}: {}", ended.text());
        assert!(!ended.text().contains("note: "), "{what}: {}", ended.text());
        let tried = paths(&world, TAIL).len();
        assert!(tails.contains(&tried), "{what}: tried {tried} times");
    });
}

#[test]
fn a_live_log_that_breaks_is_opened_again() {
    let cases = [
        ("broken", FaultAction::BreakStream { entries: 7 }),
        ("ended", FaultAction::EndStream { entries: 7, code: 503, message: "later".to_owned() }),
    ];
    at_once(cases, |(what, action)| {
        let (written, mut steps) = numbered(60, Duration::from_millis(150));
        steps.extend([Step::wait(Duration::from_secs(4)), Step::log("the last")]);
        steps.insert(0, Step::wait(Duration::from_millis(500)));
        steps.push(Step::Forever);
        let world = World::scripted(Script::new(steps));
        world.emulator.set_faults([tail_fault(action).times(1)]);
        let mut terminal = world.quill_admin(SHOW_USER).terminal();
        terminal.expect("│ the last").ctrl_c();
        terminal.expect("[w/d/c]").ctrl_c();
        let ended = terminal.wait();
        let text = ended.text();
        let shown: Vec<&str> = text.split("│ ").skip(1).filter_map(|rest| rest.lines().next()).collect();
        let seen: Vec<&str> =
            shown.iter().map(|line| line.trim()).filter(|line| line.starts_with("line ")).collect();
        assert_every_line_once(&seen, &written, &format!("{what}: {text}"));
        assert_eq!(paths(&world, TAIL).len(), 2, "{what}");
    });
}

/// Lines are late, out of order or doubled, and the live log breaks somewhere: every line is shown once, and
/// the result is.
#[test]
fn every_line_once_whatever_happens() {
    at_once(0..12_u64, |seed| {
        let within = Duration::from_millis([0, 50, 400][usize::try_from(seed % 3).expect("small")]);
        let mut builder: Builder = Emulator::builder().shuffle_entries(seed, within);
        if seed % 2 == 0 {
            builder = builder.duplicate_entries(seed);
        }
        if seed % 5 == 0 {
            builder = builder.log_delay(Duration::from_millis(300));
        }
        let (written, steps) = numbered(300, Duration::from_millis(20 * (seed % 4)));
        let world = World::scripted_in(builder, ending(steps));
        let entries = 20 * seed;
        world.emulator.set_faults(match seed % 4 {
            0 => None,
            1 => Some(tail_fault(FaultAction::BreakStream { entries })),
            2 => Some(tail_fault(FaultAction::EndStream { entries, code: 500, message: String::new() })),
            _ => Some(tail_fault(FaultAction::status(429, "quota"))),
        });
        let finished = show_user(&world).exits(13);
        assert_every_line_once(&lines(&finished.stderr), &written, &format!("seed {seed}"));
        assert!(finished.stderr.contains("error: stopped by a signal"), "{}", finished.stderr);
        assert_within_the_quota(&world);
    });
}

/// Checks that there are at most 30 reads in any minute.
fn assert_within_the_quota(world: &World) {
    let reads: Vec<u64> = paths(world, READ).iter().map(|call| call.received_ns).collect();
    for window in reads.windows(31) {
        assert!(window[30] - window[0] >= 60_000_000_000, "{window:?}");
    }
}

#[test]
fn more_lines_than_a_page_has() {
    let (written, steps) = numbered(2500, Duration::ZERO);
    let world = World::scripted_in(Emulator::builder().log_tails_per_project(0), ending(steps));
    let finished = show_user(&world).exits(13);
    let mut seen = lines(&finished.stderr);
    seen.sort_by_key(|line| line["line ".len()..].parse::<u32>().expect("a number"));
    assert_eq!(seen, written);
}

#[test]
fn reads_that_are_refused_cost_no_result() {
    let world = World::scripted(ending(vec![Step::wait(Duration::from_millis(500)), Step::log("one")]));
    world.emulator.set_faults([Fault::new(format!("*{READ}"), FaultAction::status(429, "quota"))]);
    let finished = show_user(&world).exits(13);
    assert_eq!(lines(&finished.stderr), ["one"]);
    let notes: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!(
        notes,
        [
            "note: failed to read the execution's log: quota; the task is not affected",
            "note: lines of the log may be missing",
        ]
    );
    let reads = paths(&world, READ).len();
    assert!((2..=3).contains(&reads), "it backs off: {reads}");
}

#[test]
fn trouble_with_the_state_passes() {
    let cases = [
        ("404", FaultAction::status(404, "not yet")),
        ("429", FaultAction::status(429, "quota")),
        ("503", FaultAction::status(503, "later")),
        ("reset", FaultAction::ResetBefore),
        ("reset after", FaultAction::ResetAfter),
        ("truncated", FaultAction::Truncate { bytes: 30 }),
    ];
    at_once(cases, |(what, action)| {
        let world = World::scripted(ending(vec![Step::log("one"), Step::wait(Duration::from_millis(200))]));
        world.emulator.set_faults([Fault::new("*/executions/*", action).method("GET").times(1)]);
        let finished = show_user(&world).exits(13);
        assert_eq!(lines(&finished.stderr), ["one"], "{what}");
        assert_eq!(finished.stderr.matches("; trying again").count(), 1, "{what}: {}", finished.stderr);
        assert_eq!(world.runs(), 1, "{what}");
    });
}

#[test]
fn contact_is_lost_and_the_last_lines_are_told() {
    let mut steps: Vec<Step> = vec![Step::wait(Duration::from_millis(500))];
    steps.extend((0..120).map(|number| Step::log(format!("line {number:03}"))));
    steps.push(Step::Forever);
    let world = World::scripted(Script::new(steps));
    let refused = FaultAction::status(403, "no longer yours");
    world.emulator.set_faults([Fault::new("*/executions/*", refused).method("GET").after(7)]);
    let finished = world.quill_admin(SHOW_USER.into_iter().chain(["--json"])).output().exits(27);
    let document = finished.json();
    let message = document["error"]["messages"][0].as_str().expect("a message");
    assert!(message.contains("lost contact with execution"), "{document:#}");
    assert!(message.ends_with("the task may still be running"), "{document:#}");
    let log: Vec<&str> = document["log"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["message"].as_str())
        .collect();
    let last: Vec<String> = (20..120).map(|number| format!("line {number:03}")).collect();
    assert_eq!(log, last, "{document:#}");
}

/// A result that has arrived and is proven is reported even if the end could not be seen.
#[test]
fn a_proven_result_is_told_when_contact_is_lost() {
    needs_postgres!();
    let world = World::with_database(Database::create(Generation::August2026));
    let state = |action| Fault::new("*/executions/*", action).method("GET");
    world
        .emulator
        .set_faults([state(FaultAction::Delay(6000)), state(FaultAction::status(403, "no longer yours"))]);
    let lost = world.quill_admin(["check", "-e", "staging"]).output().exits(27);
    assert!(lost.stderr.contains("lost contact with execution"), "{lost}");
    assert!(lost.stderr.contains("its proven result has arrived (checked, exit code 0)"), "{lost}");
    assert!(!lost.stderr.contains("may still be running"), "{lost}");
}

#[test]
fn a_failure_without_a_result_is_explained_by_the_log() {
    // The result line is waited for, as long as it may still come.
    at_once(["--json", "--quiet"], |form| {
        let script = [Step::log("connecting"), Step::log("trouble ahead"), Step::Signal(9)];
        let world = World::scripted(Script::new(script));
        let finished = world.quill_admin(SHOW_USER.into_iter().chain([form])).output().exits(27);
        if form == "--quiet" {
            assert_eq!(lines(&finished.stderr), ["connecting", "trouble ahead"], "{}", finished.stderr);
            return;
        }
        let document = finished.json();
        assert_eq!(document["ending"], "killed");
        assert_eq!(document["reason"], "signal 9");
        assert_eq!(document["log"][1]["message"], "trouble ahead");
        assert_eq!(document["log"][1]["severity"], "info");
        assert_eq!(document["system_log"], json!(["Container terminated on signal 9."]));
    });
}

#[test]
fn a_late_result_is_waited_for_without_a_live_log_too() {
    let Step::Log { line, stderr, .. } = result(13) else { unreachable!("a line") };
    let late = Step::Log { line, stderr, late_ms: 3000 };
    let script = Script::new([Step::log("one"), late, Step::Exit(13)]);
    let world = World::scripted_in(Emulator::builder().log_tails_per_project(0), script);
    let finished = show_user(&world).exits(13);
    assert!(finished.stderr.contains("error: stopped by a signal"), "{}", finished.stderr);
    assert_eq!(lines(&finished.stderr), ["one"]);
}

#[test]
fn a_task_of_no_time_takes_eight_requests_at_most() {
    let world = World::scripted(Script::new([Step::log("one"), result(0)]));
    show_user(&world).expect_code(0);
    let calls: Vec<String> = world.emulator.calls().iter().map(RecordedCall::line).collect();
    assert!(calls.len() <= 8, "{calls:#?}");
    assert_eq!(paths(&world, READ).len(), 1, "{calls:#?}");
}

#[test]
fn the_cloud_is_not_asked_more_often_than_needed() {
    let script = ending(vec![Step::log("one"), Step::wait(Duration::from_millis(7500))]);
    at_once([(10, 3), (0, 5)], |(tails, most)| {
        let world = World::scripted_in(Emulator::builder().log_tails_per_project(tails), script.clone());
        show_user(&world).expect_code(13);
        let polls = polls(&world);
        // Once the result line has come, the state is polled for the end.
        let near = polls[0] + Duration::from_millis(7300);
        let at_the_end = polls.iter().filter(|poll| **poll >= near).count();
        assert!(at_the_end <= 5, "{polls:?}");
        let later: Vec<Duration> = polls
            .iter()
            .copied()
            .filter(|poll| *poll > polls[0] + Duration::from_millis(1100) && *poll < near)
            .collect();
        assert!(polls.len() - at_the_end - later.len() <= 7, "{polls:?}");
        for pair in later.windows(2) {
            assert!(pair[1] > pair[0] + Duration::from_millis(950), "{polls:?}");
        }
        let reads = paths(&world, READ).len();
        assert!(reads <= most, "{reads} reads with {tails} live logs");
    });
}

/// After the result line the end is near: the state is asked for before the next poll is due.
#[test]
fn the_end_is_asked_for_when_the_result_line_comes() {
    let pause = |millis| Step::wait(Duration::from_millis(millis));
    // The line comes live, or with a read, one of which is made every two seconds.
    at_once([(10, 300), (0, 3000)], |(tails, ends_after)| {
        let script = Script::new([pause(3500), result(13), pause(ends_after), Step::Exit(13)]);
        let world = World::scripted_in(Emulator::builder().log_tails_per_project(tails), script);
        show_user(&world).expect_code(13);
        let polls = polls(&world);
        let end: Vec<Duration> =
            polls.iter().copied().filter(|poll| *poll > polls[0] + Duration::from_secs(3)).collect();
        let least = end.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min();
        assert!(least.is_some_and(|least| least < Duration::from_millis(900)), "{tails}: {polls:?}");
    });
}

#[test]
fn a_result_line_is_waited_for_as_long_as_the_log_is_late() {
    let world = World::scripted(Script::new([Step::log("one"), Step::Signal(9)]));
    let begun = Instant::now();
    show_user(&world).expect_code(27);
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
}

/// A result at the end of a log that would take longer to read than anybody waits.
#[test]
fn the_end_of_a_long_log_is_read_first() {
    let (_, steps) = numbered(12_000, Duration::ZERO);
    let steps = steps.into_iter().filter(|step| matches!(step, Step::Log { .. })).collect();
    let world = World::scripted_in(Emulator::builder().log_tails_per_project(0), ending(steps));
    world.emulator.set_faults([Fault::new(format!("*{READ}"), FaultAction::Delay(2500))]);
    let finished = show_user(&world).exits(13);
    assert!(finished.stderr.contains("error: stopped by a signal"), "{}", finished.stderr);
    assert!(finished.stderr.contains("note: lines of the log may be missing"), "{}", finished.stderr);
}

#[test]
fn an_execution_that_is_deleted_while_it_is_followed_is_gone() {
    let world = World::scripted(Script::new([Step::log("one"), Step::Forever]));
    let gone = FaultAction::status(404, "not found");
    world.emulator.set_faults([Fault::new("*/executions/*", gone).method("GET").after(7)]);
    let begun = Instant::now();
    let finished = show_user(&world).exits(27);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(finished.stderr.contains("is gone: somebody deleted it"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("attach"), "{}", finished.stderr);
}

/// Entries that came while the program was stopped are read: that time does not count as waiting.
#[test]
fn a_program_that_has_slept_at_the_end_gives_nothing_up() {
    let Step::Log { line, stderr, .. } = result(13) else { unreachable!("a line") };
    let late = Step::Log { line, stderr, late_ms: 3000 };
    let world = World::scripted(Script::new([Step::log("one"), late, Step::Exit(13)]));
    let mut terminal = world.quill_admin(SHOW_USER).terminal();
    terminal.expect("reading the result");
    let process = Pid::from_raw(i32::try_from(terminal.id()).expect("a process id")).expect("not 0");
    kill_process(process, Signal::STOP).expect("stopped");
    // The pause is longer than a result is waited for.
    thread::sleep(Duration::from_secs(19));
    kill_process(process, Signal::CONT).expect("going on");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 13, "{}", ended.transcript);
}

/// A cancellation is known without the log.
#[test]
fn a_cancelled_task_is_over_though_reads_are_refused() {
    let world =
        World::scripted_in(Emulator::builder().log_tails_per_project(0), Script::new([Step::Forever]));
    world.emulator.set_faults([Fault::new(format!("*{READ}"), FaultAction::status(429, "quota"))]);
    let mut terminal = world.quill_admin(SHOW_USER).terminal();
    terminal.expect("running").ctrl_c();
    terminal.expect("[w/d/c]").type_line("c");
    let begun = Instant::now();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 25, "{}", ended.transcript);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn what_starts_nothing_opens_no_live_log() {
    let world = World::scripted(ending(vec![]));
    world.quill_admin(SHOW_USER.into_iter().chain(["--dry-run"])).output().expect_code(0);
    assert_eq!(paths(&world, TAIL), []);
}

#[test]
fn a_program_that_has_slept_goes_on() {
    let (written, mut steps) = numbered(50, Duration::from_millis(100));
    steps.insert(0, Step::wait(Duration::from_millis(700)));
    let world = World::scripted(ending(steps));
    let mut terminal = world.quill_admin(SHOW_USER).terminal();
    terminal.expect("│ line 003");
    let process = Pid::from_raw(i32::try_from(terminal.id()).expect("a process id")).expect("not 0");
    kill_process(process, Signal::STOP).expect("stopped");
    // Its connections are gone when the program continues, and the task has ended.
    world.emulator.set_faults([
        Fault::new("*/executions/*", FaultAction::ResetBefore).method("GET").times(2),
        tail_fault(FaultAction::BreakStream { entries: 0 }),
    ]);
    thread::sleep(Duration::from_secs(3));
    kill_process(process, Signal::CONT).expect("going on");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 13, "{}", ended.transcript);
    let text = ended.text();
    let seen: Vec<&str> =
        text.split("│ ").skip(1).filter_map(|rest| rest.lines().next()).map(str::trim).collect();
    assert_every_line_once(&seen, &written, &text);
}
