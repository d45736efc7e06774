# The records of what was run, kept for years: a log bucket, the sink that fills it, and who may read it. There is nothing
# of this unless `records` is set.

locals {
  # The bucket may be in a project of its own, which those who may change the job cannot change.
  records_project = var.records == null ? null : coalesce(var.records.project, var.project)
  records_bucket  = var.records == null ? null : "projects/${local.records_project}/locations/${var.records.location}/buckets/${var.records.bucket}"
  records_apart   = var.records != null && local.records_project != var.project
}

resource "google_logging_project_bucket_config" "records" {
  count = var.records != null ? 1 : 0

  project        = local.records_project
  location       = var.records.location
  bucket_id      = var.records.bucket
  description    = "Records of the job ${var.name}: what was run, by whom, and what it changed"
  retention_days = var.records.retention_days
  # A lock cannot be undone: the time cannot be shortened any more, and a bucket with entries cannot be deleted.
  locked = var.records.locked
}

resource "google_logging_project_sink" "records" {
  count = var.records != null ? 1 : 0

  project     = var.project
  name        = "${var.name}-records"
  description = "Result lines of the job ${var.name}, and who started it, into their own bucket"
  destination = "logging.googleapis.com/${local.records_bucket}"
  # On one line, as the console shows it.
  filter = replace(trimspace(templatefile("${path.module}/records.filter.tftpl", {
    job     = var.name
    region  = var.region
    project = var.project
  })), "/[[:space:]]+/", " ")

  # A sink into a bucket of its own project writes as nobody, and needs no role.
  unique_writer_identity = local.records_apart

  depends_on = [google_logging_project_bucket_config.records]
}

# Into another project the sink writes as an account, which may write into this bucket only.
resource "google_project_iam_member" "records_writer" {
  count = local.records_apart ? 1 : 0

  project = local.records_project
  role    = "roles/logging.bucketWriter"
  member  = google_logging_project_sink.records[0].writer_identity

  condition {
    title      = "${var.name}-records"
    expression = "resource.name.endsWith(\"locations/${var.records.location}/buckets/${var.records.bucket}\")"
  }
}

# What reading takes, no more: the one view of the bucket, and the job's executions, with which `history` joins it.
resource "google_project_iam_binding" "records_readers" {
  count = var.records != null && length(try(var.records.readers, [])) > 0 ? 1 : 0

  project = local.records_project
  role    = "roles/logging.viewAccessor"
  members = [for reader in var.records.readers : strcontains(reader, ":") ? reader : "group:${reader}"]

  condition {
    title      = "${var.name}-records"
    expression = "resource.name == \"${local.records_bucket}/views/_AllLogs\""
  }
}

resource "google_project_iam_custom_role" "records_reader" {
  count = var.records != null ? 1 : 0

  project     = var.project
  role_id     = var.records.reader_role_id
  title       = "Quill admin records"
  description = "See what admin tasks were run, beside the records in their bucket; run nothing"
  permissions = [
    "run.executions.get",
    "run.executions.list",
    "run.jobs.get",
  ]
}

resource "google_project_iam_binding" "records_reader" {
  count = var.records != null && length(try(var.records.readers, [])) > 0 ? 1 : 0

  project = var.project
  role    = "projects/${var.project}/roles/${google_project_iam_custom_role.records_reader[0].role_id}"
  members = [for reader in var.records.readers : strcontains(reader, ":") ? reader : "group:${reader}"]
}
