resource "google_cloud_run_v2_job" "job" {
  project  = "quill-medical-teaching"
  location = "europe-west2"
  name     = "quill-admin-teaching"

  template {
    template {
      max_retries = 0
      timeout     = "300s"

      vpc_access {
        connector = "projects/quill-medical-teaching/locations/europe-west2/connectors/quill-vpc-cx-teaching"
        egress    = "PRIVATE_RANGES_ONLY"
      }

      containers {
        image = "europe-west2-docker.pkg.dev/quill-medical-teaching/quill/admin:latest"

        env {
          name  = "CORE_DB_HOST"
          value = "10.20.0.3"
        }
        env {
          name = "JWT_SECRET"
          value_source {
            secret_key_ref {
              secret  = "jwt-secret"
              version = "latest"
            }
          }
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [template[0].template[0].containers[0].image]
  }
}
