# What the application's root has in the place of its module and of the import block: docs/terraform.md has it, too.

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

removed {
  from = module.cloud_run_admin_job.google_cloud_run_v2_job.job

  lifecycle {
    destroy = false
  }
}
