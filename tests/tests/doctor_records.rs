//! The doctor looks at the log bucket of the records, and at the sink that fills it.

use insta::assert_snapshot;
use quill_admin_e2e::doctor_fixture::DoctorFixture;
use quill_admin_testkit::needs_registry;
use serde_json::{Value, json};

use crate::doctor::says;

const BUCKET: &str = "projects/quill-medical-staging/locations/europe-west2/buckets/quill-admin-records";
const APART: &str = "projects/quill-medical-records/locations/global/buckets/staging";
const SINK: &str = "projects/quill-medical-staging/sinks/quill-tasks-staging-records";
/// The filter of the Terraform module.
const FILTER: &str = include_str!("../../infra/modules/cloud-run-job/records.filter.tftpl");

/// An environment whose file names a bucket of records.
fn environment(audit: &str) -> DoctorFixture {
    let environment = DoctorFixture::healthy();
    let home = &environment.world.home;
    let file = home.read("environments.yaml");
    let audit = format!("  audit: {{ {audit} }}\nenvironments:\n");
    home.write("environments.yaml", &file.replace("environments:\n", &audit));
    environment
}

fn put_bucket(environment: &DoctorFixture, name: &str, bucket: Value) {
    environment.world.emulator.put_log_bucket(name, bucket).expect("a valid bucket");
}

fn put_sink(environment: &DoctorFixture, bucket: &str, more: &Value) {
    let filter = FILTER
        .replace("${job}", "quill-tasks-staging")
        .replace("${region}", "europe-west2")
        .replace("${project}", "quill-medical-staging");
    let filter = filter.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut sink = json!({"destination": format!("logging.googleapis.com/{bucket}"), "filter": filter});
    for (name, value) in more.as_object().expect("an object") {
        sink[name] = value.clone();
    }
    environment.world.emulator.put_log_sink(SINK, sink).expect("a valid sink");
}

#[test]
fn records_that_are_kept_as_the_file_says_are_healthy() {
    needs_registry!();
    let environment = environment("bucket: quill-admin-records, location: europe-west2, locked: true");
    put_bucket(&environment, BUCKET, json!({"retentionDays": 2557, "locked": true}));
    put_sink(&environment, BUCKET, &json!({}));
    assert_snapshot!(says(&environment, "records", 0), @"  ✔ records          quill-admin-records keeps them for 2557 days, locked");
    let calls = environment.world.emulator.calls();
    let asked: Vec<String> =
        calls.iter().map(cloud_emulator::RecordedCall::line).filter(|line| line.contains("/v2/")).collect();
    assert!(asked.contains(&format!("GET /v2/{BUCKET}")), "{asked:#?}");
    assert!(asked.contains(&"GET /v2/projects/quill-medical-staging/sinks".to_owned()), "{asked:#?}");
    assert_eq!(asked.len(), 2, "{asked:#?}");
}

#[test]
fn an_environment_without_a_bucket_is_asked_nothing() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    assert_snapshot!(says(&environment, "records", 0), @"  - records          nothing to look at: the file names no log bucket for records");
    let calls = environment.world.emulator.calls();
    assert!(!calls.iter().any(|call| call.path.contains("/buckets/") || call.path.ends_with("/sinks")));
}

#[test]
fn what_is_not_as_the_file_says_is_told() {
    needs_registry!();
    let environment = environment("bucket: quill-admin-records, location: europe-west2, locked: true");
    let mut told = vec![says(&environment, "records", 30)];
    put_bucket(&environment, BUCKET, json!({"retentionDays": 30}));
    told.push(says(&environment, "records", 30));
    put_bucket(&environment, BUCKET, json!({"retentionDays": 3650, "locked": true}));
    put_sink(&environment, BUCKET, &json!({"disabled": true}));
    told.push(says(&environment, "records", 30));
    put_bucket(&environment, BUCKET, json!({"retentionDays": 2557, "locked": true}));
    // A filter may name the job, and take none of its records.
    put_sink(&environment, BUCKET, &json!({"filter": "resource.labels.job_name!=\"quill-tasks-staging\""}));
    told.push(says(&environment, "records", 31));
    put_sink(&environment, BUCKET, &json!({"filter": ""}));
    told.push(says(&environment, "records", 0));
    let exclusions =
        |disabled| json!([{"name": "cheap", "filter": "severity<WARNING", "disabled": disabled}]);
    put_sink(&environment, BUCKET, &json!({"exclusions": exclusions(false)}));
    told.push(says(&environment, "records", 0));
    put_sink(&environment, BUCKET, &json!({"exclusions": exclusions(true)}));
    told.push(says(&environment, "records", 0));
    put_bucket(
        &environment,
        BUCKET,
        json!({"retentionDays": 2557, "locked": true, "lifecycleState": "DELETE_REQUESTED"}),
    );
    put_sink(&environment, BUCKET, &json!({}));
    told.push(says(&environment, "records", 30));
    assert_snapshot!(told.join("\n\n"), @r#"
      ✘ records          the log bucket projects/quill-medical-staging/locations/europe-west2/buckets/quill-admin-records is not there
          what was run is forgotten when the project's own log is, by default after 30 days
          │ failed to read the log bucket: Bucket `quill-admin-records` does not exist
          next: let Terraform make it: see "Records that last" in docs/terraform.md
          help: quill-admin doctor --explain records

      ✘ records          the log bucket quill-admin-records keeps records for 30 days, not for 2557
          older records are deleted
          next: change it with: gcloud logging buckets update quill-admin-records --location=europe-west2 --project=quill-medical-staging --retention-days=2557
          help: quill-admin doctor --explain records
      ✘ records          the log bucket quill-admin-records is not locked
          whoever may change the bucket can shorten the time, and so delete records
          next: lock it, which cannot be undone, with: gcloud logging buckets update quill-admin-records --location=europe-west2 --project=quill-medical-staging --locked
          help: quill-admin doctor --explain records
      ✘ records          no sink of the project puts records into projects/quill-medical-staging/locations/europe-west2/buckets/quill-admin-records
          what was run is forgotten when the project's own log is, by default after 30 days
          next: let Terraform make it: see "Records that last" in docs/terraform.md
          next: a folder or the organisation may have one that does: only they can tell
          help: quill-admin doctor --explain records

      ! records          the log bucket quill-admin-records keeps records for 3650 days, not for 2557
          records are kept longer than the file says, which may not be allowed
          next: write retention_days: 3650 into the file, or change the bucket
          help: quill-admin doctor --explain records
      ✘ records          the sink quill-tasks-staging-records is switched off
          what was run is forgotten when the project's own log is, by default after 30 days
          next: switch it on with: gcloud logging sinks update quill-tasks-staging-records --no-disabled --project=quill-medical-staging
          help: quill-admin doctor --explain records

      ? records          could not be decided: whether the records of the job come into the bucket: only the filter of the Terraform module is known here, and this is another one: quill-tasks-staging-records: resource.labels.job_name!="quill-tasks-staging"
          next: let Terraform make it: see "Records that last" in docs/terraform.md
          help: quill-admin doctor --explain records

      ✔ records          quill-admin-records keeps them for 2557 days, locked

      ! records          the sink quill-tasks-staging-records leaves some entries out
          the records of some runs may not come into the bucket
          │ cheap: severity<WARNING
          next: if records are among them, remove it with: gcloud logging sinks update quill-tasks-staging-records --remove-exclusions=cheap --project=quill-medical-staging
          help: quill-admin doctor --explain records

      ✔ records          quill-admin-records keeps them for 2557 days, locked

      ✘ records          the log bucket quill-admin-records is to be deleted
          its records go with it, after 7 days
          next: keep it with: gcloud logging buckets undelete quill-admin-records --location=europe-west2 --project=quill-medical-staging
          help: quill-admin doctor --explain records
    "#);
}

#[test]
fn a_sink_into_another_project_needs_an_account_that_may_write_there() {
    needs_registry!();
    let environment = environment("bucket: staging, location: global, project: quill-medical-records");
    put_bucket(&environment, APART, json!({"retentionDays": 2557}));
    put_sink(&environment, APART, &json!({}));
    let mut told = vec![says(&environment, "records", 30)];
    let writer = "serviceAccount:service-1@gcp-sa-logging.iam.gserviceaccount.com";
    put_sink(&environment, APART, &json!({"writerIdentity": writer}));
    told.push(says(&environment, "records", 30));
    let binding = |condition: &str| {
        let condition = json!({"title": "records", "expression": condition});
        json!({"version": 3, "bindings": [
            {"role": "roles/logging.bucketWriter", "members": [writer], "condition": condition},
        ]})
    };
    let policy = |policy| {
        environment.world.emulator.put_iam_policy("quill-medical-records", policy).expect("a valid policy");
    };
    policy(binding("resource.name.endsWith(\"locations/global/buckets/another\")"));
    told.push(says(&environment, "records", 31));
    policy(binding("resource.name.endsWith(\"locations/global/buckets/staging\")"));
    told.push(says(&environment, "records", 0));
    assert_snapshot!(told.join("\n\n"), @r#"
      ✘ records          the sink quill-tasks-staging-records has no account to write as into another project
          what was run is forgotten when the project's own log is, by default after 30 days
          next: let Terraform make it: see "Records that last" in docs/terraform.md
          help: quill-admin doctor --explain records

      ✘ records          the account of the sink quill-tasks-staging-records may not write into the bucket
          what was run is forgotten when the project's own log is, by default after 30 days
          │ serviceAccount:service-1@gcp-sa-logging.iam.gserviceaccount.com has no roles/logging.bucketWriter in quill-medical-records
          next: ask an administrator for: gcloud projects add-iam-policy-binding quill-medical-records --member=serviceAccount:service-1@gcp-sa-logging.iam.gserviceaccount.com --role=roles/logging.bucketWriter
          next: a folder or the organisation may have given it the role: only they can tell
          help: quill-admin doctor --explain records

      ? records          could not be decided: the account of the sink quill-tasks-staging-records has roles/logging.bucketWriter in quill-medical-records with a condition that does not name the bucket
          help: quill-admin doctor --explain records

      ✔ records          staging keeps them for 2557 days
    "#);
}

/// A person who may not look is told so, and not that nothing is there.
#[test]
fn what_could_not_be_looked_at_is_not_missing() {
    needs_registry!();
    let environment = environment("bucket: quill-admin-records, location: europe-west2");
    put_bucket(&environment, BUCKET, json!({"retentionDays": 2557}));
    put_sink(&environment, BUCKET, &json!({}));
    for permission in ["logging.buckets.get", "logging.sinks.list"] {
        environment.world.emulator.deny_permissions([permission]);
        let told = says(&environment, "records", 31);
        assert!(told.contains(permission) && told.contains("roles/logging.viewer"), "{told}");
        assert!(!told.contains("not there") && !told.contains("no sink"), "{told}");
    }
    // What the bucket shows is told, although the sinks may not be listed.
    put_bucket(&environment, BUCKET, json!({"retentionDays": 2557, "lifecycleState": "DELETE_REQUESTED"}));
    let told = says(&environment, "records", 30);
    assert!(told.contains("is to be deleted") && told.contains("logging.sinks.list"), "{told}");
}
