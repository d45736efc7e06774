# What each environment's job is called, and that others are refused.
mock_provider "google" {
  mock_data "google_sql_database_instance" {
    defaults = {
      private_ip_address = "10.20.0.3"
    }
  }
  mock_data "google_sql_ca_certs" {
    defaults = {
      certs = [
        { cert = "-----BEGIN CERTIFICATE-----\nbmV4dA==\n-----END CERTIFICATE-----\n", common_name = "", create_time = "", expiration_time = "", sha1_fingerprint = "" },
        { cert = "-----BEGIN CERTIFICATE-----\nY3VycmVudA==\n-----END CERTIFICATE-----\n", common_name = "", create_time = "", expiration_time = "", sha1_fingerprint = "" },
      ]
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

# By the kind of the instance's authority.
run "an_own_authority_is_verified_with_all_that_the_instance_lists" {
  command = plan
  variables {
    environment = "staging"
  }
  assert {
    condition = jsondecode(output.command[2]) == {
      cas         = ["-----BEGIN CERTIFICATE-----\nY3VycmVudA==\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nbmV4dA==\n-----END CERTIFICATE-----"]
      host        = "10.20.0.3"
      name        = "quill_core"
      port        = 5432
      schema      = "public"
      server_name = null
      tls         = "verify-ca"
      user        = "quill"
    }
    error_message = "unexpected target ${output.command[2]}"
  }
}

run "a_shared_authority_has_to_name_the_instance" {
  command = plan
  variables {
    environment = "staging"
  }
  override_data {
    target = data.google_sql_database_instance.auth
    values = {
      private_ip_address = "10.20.0.3"
      dns_name           = "db.europe-west2.sql.goog."
      server_ca_cert     = [{ cert = "-----BEGIN CERTIFICATE-----\nc2hhcmVk\n-----END CERTIFICATE-----", common_name = "", create_time = "", expiration_time = "", sha1_fingerprint = "" }]
      settings           = [{ ip_configuration = [{ server_ca_mode = "GOOGLE_MANAGED_CAS_CA" }] }]
    }
  }
  assert {
    condition     = jsondecode(output.command[2]).tls == "verify-full" && jsondecode(output.command[2]).server_name == "db.europe-west2.sql.goog"
    error_message = "unexpected target ${output.command[2]}"
  }
  assert {
    condition     = jsondecode(output.command[2]).cas == ["-----BEGIN CERTIFICATE-----\nc2hhcmVk\n-----END CERTIFICATE-----"]
    error_message = "unexpected target ${output.command[2]}"
  }
}

run "an_authority_of_an_unknown_kind_verifies_nothing" {
  command = plan
  variables {
    environment = "staging"
  }
  override_data {
    target = data.google_sql_database_instance.auth
    values = {
      private_ip_address = "10.20.0.3"
      settings           = [{ ip_configuration = [{ server_ca_mode = "SOMETHING_NEW" }] }]
    }
  }
  assert {
    condition     = jsondecode(output.command[2]).tls == "require" && length(jsondecode(output.command[2]).cas) == 0
    error_message = "unexpected target ${output.command[2]}"
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
