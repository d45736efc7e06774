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
  description = "Addresses of the Google groups whose members may run tasks."
  type        = set(string)
  nullable    = false
  default     = []
}
