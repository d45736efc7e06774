//! Up to a thousand runs while requests and answers are dropped, delayed, damaged and carried out late.

use cloud_emulator::{Fault, FaultAction};
use fastrand::Rng;
use quill_admin_testkit::needs_postgres;

use super::fixture::{Ending, Fixture, Task, counted, everywhere};
use super::{seed, storm};

/// Number of runs at the same time: they mostly wait.
const AT_ONCE: usize = 48;

#[test]
fn every_run_is_done_once_and_reported_truly() {
    needs_postgres!();
    let runs = storm();
    let endings = everywhere(AT_ONCE, (0..runs).collect(), |numbers| {
        let fixture = Fixture::new(runs);
        let done: Vec<_> = numbers
            .map(|number| {
                let mut random = Rng::with_seed(seed().wrapping_add(number as u64));
                let task = random.choice([Task::AddRole, Task::UpdatePermissions]).expect("some");
                let faults: Vec<Fault> = (0..random.usize(0..4)).map(|_| draw(&mut random)).collect();
                let about = format!("seed {}, {faults:?}", seed());
                (number, task, about, fixture.run(task, number, faults))
            })
            .collect();
        fixture.world.emulator.set_faults([]);
        fixture.world.idle();
        done.iter()
            .map(|(number, task, about, output)| fixture.judge(*task, *number, output, about))
            .collect()
    });
    let counts = counted(endings);
    let count = |ending| counts.get(&ending).copied().unwrap_or(0);
    println!("{runs} runs: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), runs);
    // An "unknown" each time would be true, and useless.
    assert!(count(Ending::Done) > runs * 8 / 10, "{counts:?}");
    // Some hundredths are unknown: a small storm may have a few more by chance.
    assert!(count(Ending::Unknown) < runs / 10 + 10, "{counts:?}");
}

fn draw(random: &mut Rng) -> Fault {
    // Most faults hit the start; the others hit the requests that find out about it.
    let (method, path) = match random.u8(0..20) {
        0..9 => ("POST", "*:run"),
        9..12 => ("GET", "*/executions"),
        12..15 => ("GET", "*/executions/*"),
        15..17 => ("PATCH", "*/jobs/*"),
        17 => ("GET", "*/jobs/*"),
        18 => ("POST", "*/entries:list"),
        _ => ("POST", "*/TailLogEntries"),
    };
    let action = match random.u8(0..12) {
        0..3 => FaultAction::ResetBefore,
        3..6 => FaultAction::ResetAfter,
        6 | 7 => FaultAction::CarryOutLate(random.u64(0..9000)),
        8 => FaultAction::Truncate { bytes: random.usize(0..400) },
        9 => FaultAction::Delay(random.u64(0..1500)),
        10 => FaultAction::status(random.choice([500, 502, 503, 504]).expect("some"), "try again later"),
        _ => FaultAction::status(429, "too many requests"),
    };
    Fault::new(path, action).method(method).after(random.u32(0..2)).times(random.u32(1..4))
}
