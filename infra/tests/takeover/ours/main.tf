# The job taken over, with the names of the application's Terraform in the words of this module's.

provider "google" {
  project = "quill-medical-teaching"
  region  = "europe-west2"
}

module "quill_admin" {
  source = "../../../modules/cloud-run-job"

  project         = "quill-medical-teaching"
  region          = "europe-west2"
  name            = "quill-admin-teaching"
  account_id      = "quill-tasks-teaching"
  database        = { host = "10.20.0.3", name = "quill_core", user = "quill" }
  password_secret = "core-db-password"
  connector       = "quill-vpc-cx-teaching"
  runners         = ["quill-admins@example.org"]
}
