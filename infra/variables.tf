variable "environment" {
  description = "Name of the environment in environments.yaml."
  type        = string
  nullable    = false

  validation {
    condition     = contains(local.deployed, var.environment)
    error_message = "environment has to be one of environments.yaml that is in Google Cloud: ${join(", ", local.deployed)}."
  }
}

variable "runners" {
  description = "Who may run tasks: group:, user: or serviceAccount: with an address, principal:// or principalSet:// of a workload identity pool. An address alone is a group's."
  type        = set(string)
  nullable    = false
  default     = []
}

variable "readers" {
  description = "Who may read the records in the bucket that `audit` in environments.yaml names, and see the executions; written as runners are."
  type        = set(string)
  nullable    = false
  default     = []
}
