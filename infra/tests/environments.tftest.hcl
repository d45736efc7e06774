# What each environment's job is called, and that others are refused.
mock_provider "google" {
  mock_data "google_sql_database_instance" {
    defaults = {
      private_ip_address = "10.20.0.3"
    }
  }
}

run "staging" {
  command = plan
  variables {
    environment = "staging"
  }
  assert {
    condition     = output.job == "projects/quill-medical-staging/locations/europe-west2/jobs/quill-tasks-staging"
    error_message = "unexpected job ${output.job}"
  }
}

run "teaching" {
  command = plan
  variables {
    environment = "teaching"
  }
  assert {
    condition     = output.job == "projects/quill-medical-teaching/locations/europe-west2/jobs/quill-tasks-teaching"
    error_message = "unexpected job ${output.job}"
  }
}

run "prod" {
  command = plan
  variables {
    environment = "prod"
  }
  assert {
    condition     = output.job == "projects/quill-medical-production/locations/europe-west2/jobs/quill-tasks-prod"
    error_message = "unexpected job ${output.job}"
  }
}

run "local_is_not_in_google_cloud" {
  command = plan
  variables {
    environment = "local"
  }
  expect_failures = [var.environment]
}
