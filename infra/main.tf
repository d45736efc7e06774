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
  records  = merge(lookup(local.file.defaults, "records", {}), lookup(local.entry, "records", {}))
  audit    = merge(lookup(local.file.defaults, "audit", {}), lookup(local.entry, "audit", {}))

  # The one schema of the tables, from the file that says what may be done in them.
  schema = yamldecode(file("${path.module}/../${lookup(local.file, "application", "application")}/actions.yaml")).schema

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
      # Empty where records are not signed.
      record_key      = lookup(local.records, "key_secret", "")
      records         = lookup(local.audit, "bucket", "")
      records_place   = lookup(local.audit, "location", "")
      records_project = lookup(local.audit, "project", local.project)
    } : key => replace(replace(replace(text, "{env}", var.environment), "{project}", local.project), "{region}", local.region)
  }
}

data "google_sql_database_instance" "auth" {
  project = local.project
  name    = local.names.instance
}

# How the job recognises the instance. `quill-admin build` goes by the same rules: crates/operations/src/admin_image/target.rs.
locals {
  instance = data.google_sql_database_instance.auth
  ca_modes = flatten([for settings in local.instance.settings : [for ip in settings.ip_configuration : ip.server_ca_mode == null ? "" : ip.server_ca_mode]])

  # An authority of the instance's own signs nothing else, so that whom the certificate names does not matter; to have
  # no mode means the same. A shared one signs for others, too, so that the certificate has to name the instance.
  has_own_ca    = length(setsubtract(local.ca_modes, ["", "CA_MODE_UNSPECIFIED", "GOOGLE_MANAGED_INTERNAL_CA"])) == 0
  has_shared_ca = !local.has_own_ca && length(setsubtract(local.ca_modes, ["GOOGLE_MANAGED_CAS_CA", "CUSTOMER_MANAGED_CAS_CA"])) == 0

  # A name in DNS may end with its root; the one in a certificate does not.
  server_name = local.instance.dns_name == null ? "" : trimsuffix(local.instance.dns_name, ".")

  # A shared authority is the one that the instance itself tells. What is not known verifies nothing.
  own_cas    = flatten([for list in data.google_sql_ca_certs.auth : [for ca in list.certs : ca.cert]])
  shared_cas = local.has_shared_ca && local.server_name != "" ? [for ca in local.instance.server_ca_cert : ca.cert] : []
  tls        = length(local.own_cas) > 0 ? "verify-ca" : length(local.shared_cas) > 0 ? "verify-full" : "require"
}

# All that sign the instance's certificate, will, or did. Google describes the list for an instance's own authorities.
data "google_sql_ca_certs" "auth" {
  count = local.has_own_ca ? 1 : 0

  project  = local.project
  instance = local.names.instance
}

module "quill_admin" {
  source = "./modules/cloud-run-job"

  project    = local.project
  region     = local.region
  name       = local.names.job
  account_id = split("@", local.names.service_account)[0]
  database = {
    host        = local.instance.private_ip_address
    port        = 5432
    name        = local.names.database
    user        = local.names.user
    schema      = local.schema
    tls         = local.tls
    server_name = local.tls == "verify-full" ? local.server_name : null
    cas         = concat(local.own_cas, local.shared_cas)
  }
  password_secret   = local.names.password_secret
  record_key_secret = local.names.record_key == "" ? null : local.names.record_key
  connector         = local.names.connector
  egress            = local.names.egress
  runners           = var.runners

  # Without the key "audit" nothing of this is made.
  records = local.names.records == "" ? null : {
    bucket         = local.names.records
    location       = local.names.records_place
    project        = local.names.records_project
    retention_days = lookup(local.audit, "retention_days", 2557)
    locked         = lookup(local.audit, "locked", false)
    readers        = var.readers
  }
}
