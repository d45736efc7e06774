# The Cloud Run job that runs admin tasks, the account it runs as, and who may start it.

locals {
  # The database, in the job's command: a run can override variables and arguments, but not the command. These are the
  # very bytes that `quill-admin build` writes, or each would undo what the other wrote: every field is there, and
  # certificates are trimmed, sorted and each there once.
  target = jsonencode({
    cas         = sort(distinct([for ca in var.database.cas : trimspace(ca)]))
    host        = var.database.host
    name        = var.database.name
    port        = var.database.port
    schema      = var.database.schema
    server_name = var.database.server_name
    tls         = var.database.tls
    user        = var.database.user
  })
}

resource "google_service_account" "job" {
  project      = var.project
  account_id   = var.account_id
  display_name = "Quill admin tasks"
  description  = "Runs the job ${var.name}. May read the secrets that the job refers to, and nothing else"
}

# All that the account may do: no other secret, no role in the project.
resource "google_secret_manager_secret_iam_member" "password" {
  project   = var.project
  secret_id = var.password_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.job.email}"
}

# A binding, not a single member: whoever else may read the key can sign records that count as the job's.
resource "google_secret_manager_secret_iam_binding" "record_key" {
  count = var.record_key_secret == null ? 0 : 1

  project   = var.project
  secret_id = var.record_key_secret
  role      = "roles/secretmanager.secretAccessor"
  members   = ["serviceAccount:${google_service_account.job.email}"]
}

resource "google_cloud_run_v2_job" "admin" {
  project  = var.project
  location = var.region
  name     = var.name

  template {
    task_count = 1

    template {
      service_account = google_service_account.job.email
      # The provider's default is 3: a task that failed may have been applied, and would be run again.
      max_retries = 0
      timeout     = "300s"

      vpc_access {
        connector = "projects/${var.project}/locations/${var.region}/connectors/${var.connector}"
        egress    = upper(replace(var.egress, "-", "_"))
      }

      containers {
        image   = var.image
        command = ["/quill-admin-executor", "--target", local.target]

        # An image that was built before there were targets ignores its arguments and reads these; any other does not.
        env {
          name  = "AUTH_DB_HOST"
          value = var.database.host
        }
        env {
          name  = "AUTH_DB_NAME"
          value = var.database.name
        }
        env {
          name  = "AUTH_DB_USER"
          value = var.database.user
        }
        env {
          name  = "AUTH_DB_SSLMODE"
          value = "require"
        }
        env {
          name = "AUTH_DB_PASSWORD"
          value_source {
            secret_key_ref {
              secret  = var.password_secret
              version = "latest"
            }
          }
        }
        dynamic "env" {
          for_each = var.record_key_secret == null ? [] : [var.record_key_secret]
          content {
            name = "ADMIN_RECORD_KEY"
            value_source {
              secret_key_ref {
                secret  = env.value
                version = "latest"
              }
            }
          }
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [
      # `quill-admin build` pins it to the digest that was pushed. What else build notes on the job are
      # annotations, and those that are not written here the provider leaves alone.
      template[0].template[0].containers[0].image,
      # Whoever changed the job last writes its name here.
      client,
      client_version,
    ]
  }

  # Cloud Run looks whether the account may read the secret when the job is made.
  depends_on = [
    google_secret_manager_secret_iam_member.password,
    google_secret_manager_secret_iam_binding.record_key,
  ]
}

# What running tasks takes, no more: `quill-admin whoami` asks for these. Of the whole project rather than
# the job, because logs belong to the project.
resource "google_project_iam_custom_role" "runner" {
  project     = var.project
  role_id     = var.runner_role_id
  title       = "Quill admin tasks"
  description = "Run admin tasks, follow and stop them, and read their log"
  permissions = [
    "logging.logEntries.list",
    "run.executions.cancel",
    "run.executions.get",
    "run.executions.list",
    "run.jobs.get",
    "run.jobs.run",
    "run.jobs.runWithOverrides",
    "run.tasks.list",
  ]
}

# A binding, not single members: who has the role is what is written here.
resource "google_project_iam_binding" "runner" {
  count = length(var.runners) > 0 ? 1 : 0

  project = var.project
  role    = "projects/${var.project}/roles/${google_project_iam_custom_role.runner.role_id}"
  # An address alone has always been a group's.
  members = [for runner in var.runners : strcontains(runner, ":") ? runner : "group:${runner}"]
}

# Cloud Run records who started a job (Jobs.RunJob) as a data access, which is off unless asked for.
resource "google_project_iam_audit_config" "run" {
  count = length(var.audit_logs) > 0 ? 1 : 0

  project = var.project
  service = "run.googleapis.com"

  dynamic "audit_log_config" {
    for_each = var.audit_logs
    content {
      log_type = audit_log_config.value
    }
  }
}
