terraform {
  # mock_provider, which the tests use, came with 1.7.
  required_version = ">= 1.7"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.43, < 8.0"
    }
  }
}
