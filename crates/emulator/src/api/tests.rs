//! Tests of rules that hold for every row of every table.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};

use super::{Call, answer, method, methods};
use crate::cloud::Cloud;
use crate::guard::Guard;
use crate::options::Options;
use crate::runner::Runner;
use crate::store::Saved;

#[test]
fn no_path_stands_twice() {
    let rows: Vec<_> = methods().map(|(_, method)| method).collect();
    for (number, one) in rows.iter().enumerate() {
        for other in &rows[number + 1..] {
            let both = method::fits(one.path, other.path) || method::fits(other.path, one.path);
            assert!(
                one.verb != other.verb || !both,
                "{} {} of {} is also {} of {}",
                one.verb,
                one.path,
                one.name,
                other.path,
                other.name
            );
        }
    }
}

#[tokio::test]
async fn every_row_refuses_who_lacks_one_of_its_permissions() {
    let guard = Guard::new(([127, 0, 0, 1], 1).into(), Vec::new());
    let cloud = Arc::new(Cloud::new(guard, Options::default(), Runner::Scripted, Saved::default()));
    // Asks for all that a permission may depend on.
    let body = Bytes::from(r#"{"overrides": {"taskCount": 2}}"#);
    for (_, method) in methods().filter(|(_, method)| method.handler.is_some()) {
        let also = method.also.map(|also| also.permission);
        for permission in method.needs.iter().copied().chain(also) {
            cloud.store.change(|state| state.denied = BTreeSet::from([permission.to_owned()]));
            let path = method.path.replace('*', "x");
            let caller = String::new();
            let call = Call { method: method.verb, path: &path, query: Vec::new(), body: &body, caller };
            let Err(error) = answer(&cloud, &HeaderMap::new(), call).await else {
                panic!("{} goes without {permission}", method.name);
            };
            assert_eq!(error.http, StatusCode::FORBIDDEN, "{}: {error}", method.name);
            // Cloud Logging names none, and Cloud Run writes the one to act as an account in its own way.
            let named = error.to_string().to_lowercase().contains(&permission.to_lowercase())
                || permission.starts_with("logging.");
            assert!(named, "{}: {error} does not name {permission}", method.name);
        }
    }
}

#[test]
fn who_may_call_without_any_permission_is_known() {
    let free: Vec<&str> = methods()
        .filter(|(_, method)| method.handler.is_some() && method.needs.is_empty())
        .map(|(_, method)| method.name)
        .collect();
    assert_eq!(
        free,
        [
            "google.cloud.run.v2.Jobs.TestIamPermissions",
            "google.cloud.run.v2.Services.TestIamPermissions",
            // It asks for the permission of what is read, a project or a view.
            "google.logging.v2.LoggingServiceV2.ListLogEntries",
            "google.cloud.resourcemanager.v3.Projects.TestIamPermissions",
            "storage.buckets.testIamPermissions",
            "oauth2.googleapis.com/token",
            "google.identity.sts.v1.SecurityTokenService.ExchangeToken",
            "openidconnect.googleapis.com/v1/userinfo",
        ]
    );
}

/// Compares the README's table with the rows, or writes it with `INSTA_UPDATE=always`, as snapshots are.
#[test]
fn the_readme_lists_exactly_the_methods_of_the_tables() {
    const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    const HEAD: &str = "| method | path | emulated |\n| --- | --- | --- |\n";
    let readme = std::fs::read_to_string(README).expect("the README");
    let (before, rest) = readme.split_once(HEAD).expect("a table of methods");
    let (listed, after) = rest.split_once("\n\n").expect("an end of the table");
    let rows: Vec<String> = methods()
        .map(|(_, method)| {
            let emulated = if method.handler.is_some() { "yes" } else { "501" };
            format!("| `{}` | `{} {}` | {emulated} |", method.name, method.verb, method.path)
        })
        .collect();
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        let text = format!("{before}{HEAD}{}\n\n{after}", rows.join("\n"));
        std::fs::write(README, text).expect("written");
        return;
    }
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        rows,
        "stale; write it with: INSTA_UPDATE=always cargo test --release -p cloud-emulator --lib"
    );
}
