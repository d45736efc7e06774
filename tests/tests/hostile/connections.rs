//! Real connections that are cut at any point.

use quill_admin_e2e::proxy::Proxy;
use quill_admin_testkit::needs_postgres;

use super::fixture::{Ending, Fixture, Task, counted, everywhere};
use super::seed;

const RUNS: usize = 160;
const AT_ONCE: usize = 24;

#[test]
fn runs_over_connections_that_are_cut_are_done_once_and_reported_truly() {
    needs_postgres!();
    let endings = everywhere(AT_ONCE, (0..RUNS).collect(), |numbers| {
        let fixture = Fixture::new(RUNS);
        let server = fixture.world.emulator.address().to_string();
        let file = fixture.world.home.read("environments.yaml");
        let runs: Vec<_> = numbers
            .map(|number| {
                let seed = seed().wrapping_add(number as u64);
                let proxy = Proxy::cutting(&server, seed);
                let through = file.replace(&server, &proxy.address());
                fixture.world.home.write("environments.yaml", &through);
                (number, seed, fixture.run(Task::AddRole, number, Vec::new()))
            })
            .collect();
        fixture.world.idle();
        let judge = |(number, seed, output): &(usize, u64, _)| {
            fixture.judge(Task::AddRole, *number, output, &format!("seed {seed}"))
        };
        runs.iter().map(judge).collect()
    });
    let counts = counted(endings);
    println!("{RUNS} runs: {counts:?}");
    assert!(counts[&Ending::Done] > RUNS / 2, "{counts:?}");
}
