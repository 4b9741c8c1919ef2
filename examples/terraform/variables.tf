variable "package" {
  description = "Folder of the installed package."
  type        = string
  default     = "node_modules/spendfuse"
}

variable "notify" {
  description = "Who is told, such as @oncall-payments. Monitors that page nobody are shipped by nobody."
  type        = list(string)
  validation {
    condition     = length(var.notify) > 0 && alltrue([for handle in var.notify : startswith(handle, "@")])
    error_message = "Name at least one handle, with its @."
  }
}

variable "webhook_url" {
  description = "Where the breaker takes webhooks: https://YOUR-BREAKER/webhooks/datadog"
  type        = string
}

variable "webhook_secret" {
  description = "The breaker's SPENDFUSE_WEBHOOK_SECRET."
  type        = string
  sensitive   = true
}

variable "critical" {
  description = "Other critical thresholds in dollars, by monitor, such as { agent_hourly_spend = 50 }."
  type        = map(number)
  default     = {}
}

variable "without" {
  description = "Monitors to leave out, such as agent_spend_anomaly where the plan has no anomalies."
  type        = set(string)
  default     = []
}

variable "metrics_in_dollars" {
  description = "Metrics that have had a point, to be shown in dollars."
  type        = list(string)
  default     = ["spendfuse.cost"]
}
