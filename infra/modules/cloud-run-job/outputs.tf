output "job" {
  description = "Full name of the job."
  value       = "projects/${var.project}/locations/${var.region}/jobs/${google_cloud_run_v2_job.admin.name}"
}

output "service_account" {
  description = "Address of the account the job runs as. Whoever runs `quill-admin build` needs roles/iam.serviceAccountUser on it."
  value       = google_service_account.job.email
}

output "runner_role" {
  description = "Full name of the role that lets people run tasks."
  value       = "projects/${var.project}/roles/${google_project_iam_custom_role.runner.role_id}"
}

output "command" {
  description = "The job's command: which database it is for, which no run can override."
  value       = google_cloud_run_v2_job.admin.template[0].template[0].containers[0].command
}

output "records" {
  description = "The log bucket of the records, the sink that fills it, and the account that the sink writes as, where it needs one; null without records."
  value = var.records == null ? null : {
    bucket = local.records_bucket
    sink   = google_logging_project_sink.records[0].name
    writer = local.records_apart ? google_logging_project_sink.records[0].writer_identity : null
  }
}
