terraform {
  # Validation that looks at more than its own variable came with 1.9.
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.43, < 8.0"
    }
  }

  # A folder of its own in the bucket: `terraform/state` holds the application's. The bucket is named at
  # `terraform init`, one workspace is one environment.
  backend "gcs" {
    prefix = "terraform/quill-admin"
  }
}

provider "google" {
  project = local.project
  region  = local.region
}
