# One environment's job, with the names that quill-admin uses: both read environments.yaml.
#
#   terraform init -backend-config=bucket=quill-medical-terraform-state
#   terraform workspace select -or-create staging
#   terraform apply -var environment=staging -var 'runners=["quill-admins@example.org"]'

locals {
  file     = yamldecode(file("${path.module}/../environments.yaml"))
  deployed = [for name, entry in local.file.environments : name if !lookup(entry, "emulated", false)]

  # What an environment says for itself beats the defaults, in sections key by key.
  entry    = local.file.environments[var.environment]
  settings = merge(local.file.defaults, local.entry)
  database = merge(local.file.defaults.database, lookup(local.entry, "database", {}))
  network  = merge(local.file.defaults.network, lookup(local.entry, "network", {}))

  project = local.entry.project
  region  = local.settings.region

  names = {
    for key, text in {
      job             = local.settings.job
      service_account = local.settings.service_account
      instance        = local.database.instance
      database        = local.database.name
      user            = local.database.user
      password_secret = local.database.password_secret
      connector       = local.network.connector
      egress          = local.network.egress
    } : key => replace(replace(replace(text, "{env}", var.environment), "{project}", local.project), "{region}", local.region)
  }
}

data "google_sql_database_instance" "auth" {
  project = local.project
  name    = local.names.instance
}

module "quill_admin" {
  source = "./modules/cloud-run-job"

  project    = local.project
  region     = local.region
  name       = local.names.job
  account_id = split("@", local.names.service_account)[0]
  database = {
    host = data.google_sql_database_instance.auth.private_ip_address
    name = local.names.database
    user = local.names.user
  }
  password_secret = local.names.password_secret
  connector       = local.names.connector
  egress          = local.names.egress
  runners         = var.runners
}
