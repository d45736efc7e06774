# The bucket of the records, with a mock in place of the provider: no credentials, no network.
mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com"
    }
  }
  mock_resource "google_logging_project_sink" {
    defaults = {
      writer_identity = "serviceAccount:service-123@gcp-sa-logging.iam.gserviceaccount.com"
    }
  }
}

variables {
  project         = "quill-medical-staging"
  region          = "europe-west2"
  name            = "quill-tasks-staging"
  account_id      = "quill-tasks-staging"
  database        = { host = "10.20.0.3", name = "quill_core", user = "quill" }
  password_secret = "core-db-password"
  connector       = "quill-vpc-cx-staging"
  records = {
    bucket   = "quill-admin-records"
    location = "europe-west2"
    readers  = ["auditors@example.org", "user:ann@example.org"]
  }
}

run "there_is_nothing_of_it_unless_it_is_wanted" {
  variables {
    records = null
  }
  assert {
    condition     = length(google_logging_project_bucket_config.records) + length(google_logging_project_sink.records) + length(google_project_iam_member.records_writer) + length(google_project_iam_binding.records_readers) + length(google_project_iam_custom_role.records_reader) + length(google_project_iam_binding.records_reader) == 0
    error_message = "nothing may be made"
  }
  assert {
    condition     = output.records == null
    error_message = "there is no bucket"
  }
}

run "records_are_kept_for_seven_years_and_can_be_given_up" {
  assert {
    condition     = google_logging_project_bucket_config.records[0].retention_days == 2557 && !google_logging_project_bucket_config.records[0].locked
    error_message = "by default they are kept for 2557 days, and the bucket is not locked"
  }
  assert {
    condition     = google_logging_project_bucket_config.records[0].project == "quill-medical-staging" && google_logging_project_bucket_config.records[0].location == "europe-west2" && google_logging_project_bucket_config.records[0].bucket_id == "quill-admin-records"
    error_message = "the bucket must be the one that was named, in the job's project"
  }
  assert {
    condition     = google_logging_project_sink.records[0].destination == "logging.googleapis.com/projects/quill-medical-staging/locations/europe-west2/buckets/quill-admin-records"
    error_message = "unexpected destination ${google_logging_project_sink.records[0].destination}"
  }
}

run "the_sink_takes_result_lines_and_starts_of_this_job" {
  assert {
    condition = alltrue([for part in [
      "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"quill-tasks-staging\" AND resource.labels.location=\"europe-west2\" AND (",
      "logName=\"projects/quill-medical-staging/logs/run.googleapis.com%2Fstdout\"",
      "jsonPayload.quill_admin.outcome.result:*",
      "logName=\"projects/quill-medical-staging/logs/cloudaudit.googleapis.com%2Fdata_access\"",
      "protoPayload.methodName=\"google.cloud.run.v2.Jobs.RunJob\"",
    ] : strcontains(google_logging_project_sink.records[0].filter, part)])
    error_message = "unexpected filter ${google_logging_project_sink.records[0].filter}"
  }
}

run "in_the_jobs_own_project_the_sink_needs_no_account" {
  assert {
    condition     = !google_logging_project_sink.records[0].unique_writer_identity && length(google_project_iam_member.records_writer) == 0
    error_message = "a sink into its own project writes as nobody"
  }
}

run "into_another_project_the_sink_may_write_into_this_bucket_only" {
  variables {
    records = {
      bucket   = "records-staging"
      location = "global"
      project  = "quill-medical-records"
    }
  }
  assert {
    condition     = google_logging_project_bucket_config.records[0].project == "quill-medical-records" && google_logging_project_sink.records[0].project == "quill-medical-staging"
    error_message = "the bucket is apart, and the sink is beside the job"
  }
  assert {
    condition     = google_logging_project_sink.records[0].unique_writer_identity && google_project_iam_member.records_writer[0].project == "quill-medical-records" && google_project_iam_member.records_writer[0].role == "roles/logging.bucketWriter" && google_project_iam_member.records_writer[0].member == "serviceAccount:service-123@gcp-sa-logging.iam.gserviceaccount.com"
    error_message = "the sink's account must be allowed to write there"
  }
  assert {
    condition     = google_project_iam_member.records_writer[0].condition[0].expression == "resource.name.endsWith(\"locations/global/buckets/records-staging\")"
    error_message = "it may write into the one bucket only"
  }
}

run "readers_may_read_one_view_and_run_nothing" {
  assert {
    condition     = google_project_iam_binding.records_readers[0].role == "roles/logging.viewAccessor" && google_project_iam_binding.records_readers[0].members == toset(["group:auditors@example.org", "user:ann@example.org"])
    error_message = "the readers must be those that were named"
  }
  assert {
    condition     = google_project_iam_binding.records_readers[0].condition[0].expression == "resource.name == \"projects/quill-medical-staging/locations/europe-west2/buckets/quill-admin-records/views/_AllLogs\""
    error_message = "they may read this bucket only"
  }
  assert {
    condition     = google_project_iam_custom_role.records_reader[0].permissions == toset(["run.executions.get", "run.executions.list", "run.jobs.get"])
    error_message = "readers run nothing"
  }
}

run "a_time_that_google_does_not_have_is_refused" {
  command = plan
  variables {
    records = { bucket = "quill-admin-records", location = "europe-west2", retention_days = 4000 }
  }
  expect_failures = [var.records]
}

run "the_buckets_of_google_itself_are_refused" {
  command = plan
  variables {
    records = { bucket = "_Default", location = "global" }
  }
  expect_failures = [var.records]
}

run "a_reader_who_is_nobody_is_refused" {
  command = plan
  variables {
    records = { bucket = "quill-admin-records", location = "europe-west2", readers = ["allUsers"] }
  }
  expect_failures = [var.records]
}
