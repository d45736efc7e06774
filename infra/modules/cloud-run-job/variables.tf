variable "project" {
  description = "Id of the project that the job runs in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.project))
    error_message = "project has to be a project id: 6 to 30 lower-case letters, digits or hyphens, beginning with a letter."
  }
}

variable "region" {
  description = "Region of the job and of the VPC connector."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region has to be a region such as europe-west2."
  }
}

variable "name" {
  description = "Name of the job."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$", var.name))
    error_message = "name has to be 1 to 63 lower-case letters, digits or hyphens, beginning with a letter."
  }
}

variable "account_id" {
  description = "Id of the service account that is made for the job: what stands before the @ in its address."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.account_id))
    error_message = "account_id has to be 6 to 30 lower-case letters, digits or hyphens, beginning with a letter."
  }
}

variable "image" {
  description = "Image that a new job is made with. Afterwards `quill-admin build` pins the admin image, and Terraform leaves it alone. The default, Google's sample of a job, stands in until then: the admin image is built only when there is a job to pin it to, and `quill-admin` refuses to run another."
  type        = string
  nullable    = false
  default     = "us-docker.pkg.dev/cloudrun/container/job:latest"

  validation {
    condition     = can(regex("^[a-z0-9.-]+\\.[a-z]+/[^[:space:]@:]+(:[[:word:].-]+)?(@sha256:[0-9a-f]{64})?$", var.image))
    error_message = "image has to be the full name of an image, such as europe-west2-docker.pkg.dev/project/quill/tasks:latest."
  }
}

variable "database" {
  description = "The auth database: private IP address and port of its Cloud SQL instance, its name, the one schema of its tables, the user to connect as, and how the instance is recognised. tls is a mode of libpq's sslmode; verify-ca and verify-full trust the certificates in cas (PEM), all that the instance lists, and verify-full also looks for server_name in the instance's certificate. Left out, the job encrypts and verifies nothing."
  type = object({
    host        = string
    name        = string
    user        = string
    port        = optional(number, 5432)
    schema      = optional(string, "public")
    tls         = optional(string, "require")
    server_name = optional(string)
    cas         = optional(list(string), [])
  })
  nullable = false

  validation {
    # The instance has no private address, or the address was left out.
    condition     = can(cidrhost("${var.database.host}/32", 0))
    error_message = "database.host has to be an IPv4 address: the instance's private one, the only way the job can reach it."
  }

  validation {
    condition     = alltrue([for text in [var.database.name, var.database.user, var.database.schema] : can(regex("^[^[:space:]]+$", text))])
    error_message = "database.name, database.user and database.schema must be given, without white space."
  }

  validation {
    condition     = var.database.port >= 1 && var.database.port <= 65535 && floor(var.database.port) == var.database.port
    error_message = "database.port has to be a whole number from 1 to 65535."
  }

  validation {
    condition     = contains(["require", "verify-ca", "verify-full"], var.database.tls)
    error_message = "database.tls has to be require, verify-ca or verify-full: beyond its own machine the job proves its password over TLS only."
  }

  validation {
    condition     = (length(var.database.cas) > 0) == startswith(var.database.tls, "verify-")
    error_message = "database.cas has to hold certificates with tls verify-ca or verify-full, and has to be empty with require."
  }

  validation {
    condition     = alltrue([for ca in var.database.cas : startswith(trimspace(ca), "-----BEGIN CERTIFICATE-----") && endswith(trimspace(ca), "-----END CERTIFICATE-----")])
    error_message = "database.cas has to hold certificates in PEM."
  }

  validation {
    condition     = (var.database.server_name != null) == (var.database.tls == "verify-full")
    error_message = "database.server_name has to be given with tls verify-full, and only then."
  }
}

variable "password_secret" {
  description = "Id of the secret that holds the database user's password, in the same project. The job's service account may read this one, and nothing else."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[[:word:]-]{1,255}$", var.password_secret))
    error_message = "password_secret has to be the secret's id, without the project: letters, digits, hyphens or underscores."
  }
}

variable "record_key_secret" {
  description = "Id of the secret that holds the key records are signed with, in the same project; `quill-admin record-key` makes both. The job's service account may read it, and nobody else by the secret's own policy. Left out, records are not signed."
  type        = string
  default     = null

  validation {
    condition     = var.record_key_secret == null || can(regex("^[[:word:]-]{1,255}$", var.record_key_secret))
    error_message = "record_key_secret has to be the secret's id, without the project: letters, digits, hyphens or underscores."
  }
}

variable "connector" {
  description = "Name of the Serverless VPC Access connector, in the same project and region: the backend's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$", var.connector))
    error_message = "connector has to be the connector's name, without project and region."
  }
}

variable "egress" {
  description = "What goes through the connector, as environments.yaml writes it: private-ranges-only or all-traffic."
  type        = string
  nullable    = false
  default     = "private-ranges-only"

  validation {
    condition     = contains(["private-ranges-only", "all-traffic"], var.egress)
    error_message = "egress has to be private-ranges-only or all-traffic."
  }
}

variable "runners" {
  description = "Who may run tasks, as IAM names them: group:, user: or serviceAccount: with an address, principal:// or principalSet:// of a workload identity pool. An address alone is a group's. Nobody else gets the role: members given by hand are removed."
  type        = set(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for runner in var.runners : can(regex("^((group|user|serviceAccount):)?[^@/[:space:]:]+@[^@/[:space:]:]+\\.[^@/[:space:]:]+$|^principal(Set)?://iam\\.googleapis\\.com/[^[:space:]]+$", runner))])
    error_message = "runners are members such as group:quill-admins@example.org, user:, serviceAccount:, principal://iam.googleapis.com/… or principalSet://iam.googleapis.com/…; an address alone is a group's."
  }
}

variable "runner_role_id" {
  description = "Id of the custom role that lets people run tasks. It has to be unique in the project."
  type        = string
  nullable    = false
  default     = "quillAdminTasks"

  validation {
    condition     = can(regex("^[[:word:].]{3,64}$", var.runner_role_id))
    error_message = "runner_role_id has to be 3 to 64 letters, digits, underscores or full stops."
  }
}

variable "audit_logs" {
  description = "Kinds of Data Access audit logs of Cloud Run to switch on in the project. DATA_WRITE records who started a job, ADMIN_READ who looked at one. An empty set leaves the project's audit configuration alone, for projects that have it elsewhere: Terraform has one owner for it per service."
  type        = set(string)
  nullable    = false
  default     = ["ADMIN_READ", "DATA_WRITE"]

  validation {
    condition     = length(setsubtract(var.audit_logs, ["ADMIN_READ", "DATA_READ", "DATA_WRITE"])) == 0
    error_message = "audit_logs may hold ADMIN_READ, DATA_READ and DATA_WRITE."
  }
}

variable "records" {
  description = "The log bucket that keeps the records of what was run, with the sink that fills it; nothing of it is made where this is null. bucket and location name it, project the project that it is in, the job's own where it is left out. retention_days is how long it keeps them, 7 years by default, and locked makes that final: it cannot be undone. readers may read the records and see the executions, and are written as runners are; reader_role_id is the custom role that they get for it."
  type = object({
    bucket         = string
    location       = string
    project        = optional(string)
    retention_days = optional(number, 2557)
    locked         = optional(bool, false)
    readers        = optional(set(string), [])
    reader_role_id = optional(string, "quillAdminRecords")
  })
  default = null

  validation {
    condition     = var.records == null || can(regex("^[[:alnum:]][[:word:].-]{0,99}$", var.records.bucket))
    error_message = "records.bucket has to be 1 to 100 letters, digits, underscores, hyphens or full stops, beginning with a letter or digit."
  }

  validation {
    condition     = var.records == null || can(regex("^(global|[a-z]+-[a-z]+[0-9]+)$", var.records.location))
    error_message = "records.location has to be a region such as europe-west2, or global."
  }

  validation {
    condition     = var.records == null || try(var.records.project, null) == null || can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.records.project))
    error_message = "records.project has to be a project id, or to be left out."
  }

  validation {
    condition     = var.records == null || try(var.records.retention_days >= 1 && var.records.retention_days <= 3650 && floor(var.records.retention_days) == var.records.retention_days, false)
    error_message = "records.retention_days has to be a whole number from 1 to 3650."
  }

  validation {
    condition     = var.records == null || alltrue([for reader in try(var.records.readers, []) : can(regex("^((group|user|serviceAccount):)?[^@/[:space:]:]+@[^@/[:space:]:]+\\.[^@/[:space:]:]+$|^principal(Set)?://iam\\.googleapis\\.com/[^[:space:]]+$", reader))])
    error_message = "records.readers are members such as group:auditors@example.org, user:, serviceAccount:, principal://iam.googleapis.com/… or principalSet://iam.googleapis.com/…; an address alone is a group's."
  }

  validation {
    condition     = var.records == null || can(regex("^[[:word:].]{3,64}$", var.records.reader_role_id))
    error_message = "records.reader_role_id has to be 3 to 64 letters, digits, underscores or full stops."
  }
}
