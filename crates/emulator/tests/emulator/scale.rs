//! A thousand runs against one emulator.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::common::{JOB, World};
use cloud_emulator::{Builder, Emulator, Script, Step};
use futures::stream::{self, StreamExt};
use google_cloud_gax::paginator::ItemPaginator;
use google_cloud_logging_v2::model::TailLogEntriesRequest;

const RUNS: usize = 1000;

/// Runs the job a thousand times, some at once, as a client does that waits for each end and reads its
/// log, while another follows the log of all; then reads everything back.
async fn a_thousand_runs(builder: Builder) {
    let world = World::start(builder.log_reads_per_minute(u32::MAX)).await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new((0..5).map(|line| Step::log(format!("line {line}")))));
    let (jobs, executions, logging) = (world.jobs().await, world.executions().await, world.logging().await);
    let (asking, mut tail) = logging.tail_log_entries().build();
    let window = google_cloud_wkt::Duration::clamp(0, 0);
    let request = TailLogEntriesRequest::new().set_resource_names(["projects/p"]).set_buffer_window(window);
    asking.send(request).await.expect("sent");
    while world.emulator.calls().iter().all(|call| call.status.is_none()) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let followed = tokio::spawn(async move {
        let mut ids = BTreeSet::new();
        let mut count = 0;
        while count < 6 * RUNS {
            let answer = tail.next().await.expect("no end").expect("entries");
            count += answer.entries.len();
            ids.extend(answer.entries.into_iter().map(|entry| entry.insert_id));
        }
        drop(asking);
        ids.len()
    });
    let begin = Instant::now();
    let mut names: Vec<String> = stream::iter(0..RUNS)
        .map(|_| async {
            let run = jobs.run_job().set_name(JOB).send().await.expect("started");
            let name = World::metadata(&run).name;
            let wait = jobs.wait_operation().set_name(&run.name);
            let done = wait.set_timeout(google_cloud_wkt::Duration::clamp(20, 0)).send().await;
            assert!(done.expect("an answer").done);
            let execution = executions.get_execution().set_name(&name).send().await;
            assert_eq!(execution.expect("there").succeeded_count, 1);
            let short = name.rsplit('/').next().expect("a name");
            let filter = format!("labels.\"run.googleapis.com/execution_name\"=\"{short}\"");
            let read = logging.list_log_entries().set_resource_names(["projects/p"]).set_filter(filter);
            assert_eq!(read.send().await.expect("a list").entries.len(), 6);
            name
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let ran = begin.elapsed();
    let followed = tokio::time::timeout(Duration::from_secs(20), followed).await.expect("in time");
    assert_eq!(followed.expect("no panic"), 6 * RUNS, "every entry once");
    let begin = Instant::now();
    let mut items = executions.list_executions().set_parent(JOB).set_page_size(30).by_item();
    let mut listed = Vec::new();
    while let Some(item) = items.next().await {
        let execution = item.expect("an execution");
        listed.push((execution.create_time.expect("a time"), execution.name));
    }
    let read = begin.elapsed();
    assert!(listed.windows(2).all(|pair| pair[0].0 >= pair[1].0), "the newest comes first");
    let mut found: Vec<String> = listed.into_iter().map(|(_, name)| name).collect();
    found.sort();
    names.sort();
    assert_eq!(found, names, "every execution once");
    let begin = Instant::now();
    let calls = world.emulator.calls();
    let recorded = begin.elapsed();
    assert_eq!(calls.iter().filter(|call| call.path.ends_with(":run")).count(), RUNS);
    // About a second, a twentieth and a hundredth of it on a small machine that does nothing else.
    for (took, longest) in [(ran, 20), (read, 2), (recorded, 1)] {
        assert!(took < Duration::from_secs(longest), "{ran:?} {read:?} {recorded:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_are_no_burden() {
    a_thousand_runs(Emulator::builder()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_are_no_burden_with_a_state_file() {
    let folder = tempfile::tempdir().expect("a folder");
    a_thousand_runs(Emulator::builder().state_file(folder.path().join("state.json"))).await;
}
