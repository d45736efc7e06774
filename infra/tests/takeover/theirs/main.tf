# The application's root, as far as its admin job goes: the names are its own.

terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.43, < 8.0"
    }
  }
}

provider "google" {
  project = "quill-medical-teaching"
  region  = "europe-west2"
}

module "cloud_run_admin_job" {
  source = "./job"
}
