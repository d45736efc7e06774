output "job" {
  description = "Full name of the job."
  value       = module.quill_admin.job
}

output "service_account" {
  description = "Address of the account the job runs as."
  value       = module.quill_admin.service_account
}

output "command" {
  description = "The job's command: which database it is for, which no run can override."
  value       = module.quill_admin.command
}

output "records" {
  description = "The log bucket of the records, the sink that fills it, and the account that the sink writes as, where it needs one; null without records."
  value       = module.quill_admin.records
}
