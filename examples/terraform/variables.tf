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
  validation {
    condition = length(setsubtract(keys(var.critical), [
      "agent_daily_budget", "agent_fast_burn", "agent_hourly_charges", "agent_hourly_spend",
      "root_agent_fast_burn", "root_agent_hourly_spend", "team_budget_forecast", "team_monthly_budget", "ungoverned_spend",
    ])) == 0
    error_message = "Only monitors with a limit in dollars, such as agent_hourly_spend."
  }
}

variable "without" {
  description = "Monitors to leave out, such as agent_spend_anomaly where the plan has no anomalies."
  type        = set(string)
  default     = []
}

variable "metrics_in_dollars" {
  description = "Metrics to be shown in dollars, such as spendfuse.cost: only those that have had a point, so not at the first apply."
  type        = list(string)
  default     = []
}
