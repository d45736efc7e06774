//! The addresses that the access token is attached to, and those that it is not.

use std::sync::Mutex;

use cloud_emulator::Emulator;
use quill_admin_cloud::{
    CloudErrorKind, Credentials, Endpoints, Google, JobName, ObjectName, SignIn, SignInOptions, TrustedHosts,
};
use quill_admin_testkit::http::{answer, server};

const TOKEN: &str = "ya29.planted";

fn options(folder: &tempfile::TempDir, hosts: TrustedHosts) -> SignInOptions {
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).expect("written");
    SignInOptions { access_token_file: Some(file), hosts, ..SignInOptions::default() }
}

fn sign_in(folder: &tempfile::TempDir, hosts: TrustedHosts) -> SignIn {
    SignIn::find(&options(folder, hosts)).expect("found")
}

fn this_machine() -> TrustedHosts {
    TrustedHosts { loopback: true, ..TrustedHosts::default() }
}

fn job() -> JobName {
    JobName {
        project: "quill-medical-staging".parse().expect("valid"),
        region: "europe-west2".parse().expect("valid"),
        job: "quill-admin-staging".parse().expect("valid"),
    }
}

/// Sets the address of one of the services.
type Set = fn(&mut Endpoints, String);

/// Checks each service by itself, so that none is forgotten.
const SERVICES: [Set; 10] = [
    |endpoints, url| endpoints.run = Some(url),
    |endpoints, url| endpoints.logging = Some(url),
    |endpoints, url| endpoints.sql = Some(url),
    |endpoints, url| endpoints.artifact_registry = Some(url),
    |endpoints, url| endpoints.resource_manager = Some(url),
    |endpoints, url| endpoints.user_info = Some(url),
    |endpoints, url| endpoints.iam_credentials = Some(url),
    |endpoints, url| endpoints.secret_manager = Some(url),
    |endpoints, url| endpoints.service_usage = Some(url),
    |endpoints, url| endpoints.storage = Some(url),
];

#[tokio::test]
async fn no_service_is_called_with_the_token_at_a_host_that_is_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let connect = async |hosts: TrustedHosts, endpoints: Endpoints| {
        Google::connect(endpoints, Credentials::SignIn(sign_in(&folder, hosts))).await.map(drop)
    };
    for set in SERVICES {
        for url in ["https://attacker.example", "http://127.0.0.1:1", "https://localhost:1"] {
            let mut endpoints = Endpoints::default();
            set(&mut endpoints, url.to_owned());
            let error = connect(TrustedHosts::default(), endpoints.clone()).await.expect_err("refused");
            assert_eq!(error.kind, CloudErrorKind::UntrustedHost, "{error}");
            assert!(!error.to_string().contains(TOKEN), "{error}");
            let host = url.split("://").nth(1).and_then(|rest| rest.split(':').next()).expect("a host");
            let named = TrustedHosts { named: vec![host.to_owned()], ..TrustedHosts::default() };
            connect(named, endpoints).await.expect("trusted");
        }
    }
    let own = Some("https://europe-west2-run.googleapis.com".to_owned());
    let endpoints = Endpoints { run: own, ..Endpoints::default() };
    connect(TrustedHosts::default(), endpoints).await.expect("Google's own");
}

#[test]
fn the_token_is_not_taken_to_a_strange_host_for_a_service_accounts() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options(&folder, TrustedHosts::default());
    options.impersonate = Some("robot@p.iam.gserviceaccount.com".to_owned());
    options.iam_credentials = Some("https://attacker.example".to_owned());
    let error = SignIn::find(&options).expect_err("refused");
    assert_eq!(error.kind, CloudErrorKind::UntrustedHost, "{error}");
}

#[tokio::test]
async fn the_token_comes_where_it_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let emulator = Emulator::builder().require_token(TOKEN).start().await.expect("an emulator");
    let google = Google::connect(
        Endpoints::all_at(&emulator.url()),
        Credentials::SignIn(sign_in(&folder, this_machine())),
    )
    .await
    .expect("connected");
    let error = google.job(&job()).await.expect_err("there is none");
    assert_eq!(error.kind, CloudErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn no_redirect_takes_the_token_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let (stranger, asked) = server(|_| answer("404 Not Found", "", ""));
    let on = format!("Location: http://127.0.0.1:{stranger}/on\r\n");
    let (first, began) = server(|_| answer("307 Temporary Redirect", &on, ""));
    let first = format!("http://127.0.0.1:{first}");
    let google =
        Google::connect(Endpoints::all_at(&first), Credentials::SignIn(sign_in(&folder, this_machine())))
            .await
            .expect("connected");
    assert!(google.job(&job()).await.is_err());
    let lock = ObjectName::new("quill-state", "lock").expect("valid");
    assert!(google.state_lock(&lock).await.is_err());
    assert_eq!(google.account(&sign_in(&folder, this_machine())).await, None);
    let with_token = |seen: &Mutex<Vec<String>>| {
        seen.lock().expect("unpoisoned").iter().filter(|request| request.contains(TOKEN)).count()
    };
    assert!(with_token(&began) >= 3, "{began:?}");
    assert_eq!(with_token(&asked), 0, "{asked:?}");
}
