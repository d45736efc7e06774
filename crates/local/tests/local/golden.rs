//! The golden cases of `application/examples/`, on a real server and both generations of the tables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quill_admin_application::examples::{self, Case};
use quill_admin_local::{Verdict, run_cases};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../application")
}

#[tokio::test]
async fn every_case_comes_out_as_it_says_on_both_generations_and_twice() {
    needs_postgres!();
    let actions = quill_admin_application::read(&folder()).unwrap().actions;
    let examples = examples::read(&folder(), &actions).unwrap();
    let cases: Vec<&Case> = examples.cases.iter().collect();
    let mut run = BTreeSet::new();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let client = db.connect().await;
        let verdicts = run_cases(&client, &actions, &examples, &cases).await.unwrap();
        assert_eq!(verdicts.len(), cases.len());
        for (case, verdict) in cases.iter().zip(verdicts) {
            let told = format!("{}:{}: {}", case.file.display(), case.place, case.name);
            match verdict {
                Verdict::Passed => drop(run.insert(&case.action)),
                Verdict::LeftOut(_) => assert!(case.condition.is_some(), "{told}"),
                Verdict::Failed(problems) => panic!("{told}: {problems:#?}"),
            }
        }
        // All of it was rolled back.
        assert_eq!(db.rows("SELECT username FROM users"), Vec::<Vec<Option<String>>>::new());
    }
    // A job of the application's changes nothing in the tables that cases compare.
    let all: BTreeSet<&String> =
        actions.iter().filter(|action| !action.is_job()).map(|action| &action.name).collect();
    assert_eq!(run, all, "every action has a case");
}
