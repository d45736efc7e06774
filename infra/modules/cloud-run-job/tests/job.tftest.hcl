# With a mock in place of the provider: no credentials, no network.
mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com"
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
  runners         = ["quill-admins@example.org"]
}

run "a_task_is_run_once" {
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].task_count == 1
    error_message = "an execution must have one task"
  }
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].template[0].max_retries == 0
    error_message = "a task must never be run again"
  }
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].template[0].timeout == "300s"
    error_message = "a task must end after 300 s"
  }
}

run "the_database_is_reached_privately" {
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY"
    error_message = "only traffic to private addresses goes through the connector"
  }
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].template[0].vpc_access[0].connector == "projects/quill-medical-staging/locations/europe-west2/connectors/quill-vpc-cx-staging"
    error_message = "the connector must be the one that was named"
  }
}

# tests/target.json is what these variables have to become; a test of the contract crate holds `quill-admin build` to it.
run "the_database_is_in_the_command_as_build_writes_it" {
  command = plan
  variables {
    database = {
      host        = "10.20.0.3"
      port        = 5433
      name        = "quill<&>\u2028auth"
      user        = "q\"\\e\u0301"
      schema      = "public"
      tls         = "verify-full"
      server_name = "db.europe-west2.sql.goog"
      cas = [
        "\n${file("tests/ca-next.pem")} ",
        file("tests/ca-current.pem"),
        trimspace(file("tests/ca-current.pem")),
      ]
    }
  }
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].template[0].containers[0].command == tolist(["/quill-admin-executor", "--target", trimspace(file("tests/target.json"))])
    error_message = "unexpected command ${jsonencode(google_cloud_run_v2_job.admin.template[0].template[0].containers[0].command)}"
  }
}

run "what_is_left_out_of_the_database_encrypts" {
  command = plan
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].template[0].containers[0].command[2] == trimspace(file("tests/target-default.json"))
    error_message = "unexpected target ${google_cloud_run_v2_job.admin.template[0].template[0].containers[0].command[2]}"
  }
  assert {
    condition     = length(coalesce(google_cloud_run_v2_job.admin.template[0].template[0].containers[0].args, [])) == 0
    error_message = "a run can override arguments: the target must not stand there"
  }
}

run "a_database_that_could_not_be_recognised_is_refused" {
  command = plan
  variables {
    database = { host = "10.20.0.3", name = "quill_core", user = "quill", tls = "verify-ca" }
  }
  expect_failures = [var.database]
}

run "a_name_that_nobody_looks_for_is_refused" {
  command = plan
  variables {
    database = { host = "10.20.0.3", name = "quill_core", user = "quill", server_name = "db.europe-west2.sql.goog" }
  }
  expect_failures = [var.database]
}

run "the_account_may_read_one_secret" {
  assert {
    condition     = google_secret_manager_secret_iam_member.password.secret_id == "core-db-password" && google_secret_manager_secret_iam_member.password.role == "roles/secretmanager.secretAccessor"
    error_message = "the account must be allowed to read the password"
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.password.member == "serviceAccount:${google_service_account.job.email}"
    error_message = "it must be the job's own account"
  }
  assert {
    condition     = google_cloud_run_v2_job.admin.template[0].template[0].service_account == google_service_account.job.email
    error_message = "the job must run as its own account"
  }
  assert {
    condition = [
      for variable in google_cloud_run_v2_job.admin.template[0].template[0].containers[0].env :
      "${variable.name}=${one(one(variable.value_source[*]).secret_key_ref[*]).secret}" if length(variable.value_source) > 0
    ] == ["AUTH_DB_PASSWORD=core-db-password"]
    error_message = "the container must get the database password and no other secret"
  }
}

run "groups_may_run_tasks" {
  assert {
    condition     = google_project_iam_binding.runner[0].members == toset(["group:quill-admins@example.org"])
    error_message = "the role must go to the group"
  }
  assert {
    condition     = google_project_iam_binding.runner[0].role == "projects/quill-medical-staging/roles/quillAdminTasks"
    error_message = "the group must get the custom role"
  }
  assert {
    condition = length(setintersection(google_project_iam_custom_role.runner.permissions, [
      "run.jobs.update", "run.jobs.delete", "run.jobs.setIamPolicy", "secretmanager.versions.access",
    ])) == 0
    error_message = "who may run tasks must not be able to change the job or to read the password"
  }
}

run "pipelines_and_people_may_run_tasks" {
  variables {
    runners = [
      "quill-admins@example.org",
      "group:clinical-safety@example.org",
      "user:steve@example.org",
      "serviceAccount:quill-tasks-pipeline@quill-medical-staging.iam.gserviceaccount.com",
      "principal://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/github/subject/repo:example/quill:ref:refs/heads/main",
      "principalSet://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/github/attribute.repository/example/quill",
    ]
  }
  assert {
    condition = google_project_iam_binding.runner[0].members == toset([
      "group:quill-admins@example.org",
      "group:clinical-safety@example.org",
      "user:steve@example.org",
      "serviceAccount:quill-tasks-pipeline@quill-medical-staging.iam.gserviceaccount.com",
      "principal://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/github/subject/repo:example/quill:ref:refs/heads/main",
      "principalSet://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/github/attribute.repository/example/quill",
    ])
    error_message = "members must be given as they are, and an address alone as a group's"
  }
}

run "the_key_of_sessions_stays_out" {
  assert {
    condition = length([
      for variable in google_cloud_run_v2_job.admin.template[0].template[0].containers[0].env :
      variable.name if strcontains(lower(variable.name), "jwt")
    ]) == 0
    error_message = "the container signs no sessions and must not be able to"
  }
}

run "everybody_is_refused" {
  command = plan
  variables {
    runners = ["allUsers"]
  }
  expect_failures = [var.runners]
}

run "a_whole_domain_is_refused" {
  command = plan
  variables {
    runners = ["domain:example.org"]
  }
  expect_failures = [var.runners]
}

run "runs_are_recorded" {
  assert {
    condition     = contains([for log in google_project_iam_audit_config.run[0].audit_log_config : log.log_type], "DATA_WRITE")
    error_message = "Jobs.RunJob is a DATA_WRITE"
  }
  assert {
    condition     = google_project_iam_audit_config.run[0].service == "run.googleapis.com"
    error_message = "the audit logs must be Cloud Run's"
  }
}

run "without_groups_nobody_gets_the_role" {
  variables {
    runners    = []
    audit_logs = []
  }
  assert {
    condition     = length(google_project_iam_binding.runner) == 0 && length(google_project_iam_audit_config.run) == 0
    error_message = "nothing that was not asked for may be made"
  }
}

run "records_are_signed_where_a_key_is_named" {
  variables {
    record_key_secret = "quill-record-key"
  }
  assert {
    condition     = google_secret_manager_secret_iam_binding.record_key[0].secret_id == "quill-record-key" && google_secret_manager_secret_iam_binding.record_key[0].members == toset(["serviceAccount:quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com"])
    error_message = "the job's account alone may read the key"
  }
  assert {
    condition     = one([for env in google_cloud_run_v2_job.admin.template[0].template[0].containers[0].env : env.value_source[0].secret_key_ref[0].secret if env.name == "ADMIN_RECORD_KEY"]) == "quill-record-key"
    error_message = "the job must get the key as a secret"
  }
}

run "records_are_not_signed_unless_a_key_is_named" {
  assert {
    condition     = length(google_secret_manager_secret_iam_binding.record_key) == 0 && length([for env in google_cloud_run_v2_job.admin.template[0].template[0].containers[0].env : env if env.name == "ADMIN_RECORD_KEY"]) == 0
    error_message = "nothing that was not asked for may be made"
  }
}

run "bad_names_are_refused" {
  command = plan
  variables {
    project         = "Quill"
    region          = "London"
    name            = "quill_admin"
    account_id      = "quill-admin@quill-medical-staging.iam.gserviceaccount.com"
    image           = "admin"
    password_secret = "projects/p/secrets/core-db-password"
    connector       = "projects/p/locations/europe-west2/connectors/c"
    runner_role_id  = "quill-admin"
  }
  expect_failures = [
    var.project, var.region, var.name, var.account_id, var.image, var.password_secret, var.connector, var.runner_role_id,
  ]
}

run "bad_choices_are_refused" {
  command = plan
  variables {
    egress     = "none"
    runners    = ["group:quill-admins"]
    audit_logs = ["ADMIN_WRITE"]
    database   = { host = "", name = "quill_core", user = "quill" }
  }
  expect_failures = [var.egress, var.runners, var.audit_logs, var.database]
}
