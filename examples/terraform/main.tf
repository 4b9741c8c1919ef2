# The same dashboards and monitors that `spendfuse deploy` installs, read from the package's own JSON.

terraform {
  required_version = ">= 1.5"
  required_providers {
    datadog = {
      source  = "DataDog/datadog"
      version = ">= 3.40"
    }
  }
}

locals {
  dashboards = { for file in fileset("${var.package}/dashboards", "*.json") : trimsuffix(file, ".json") => file }
  monitors   = { for file in fileset("${var.package}/monitors", "*.json") : trimsuffix(file, ".json") => file }

  # Each monitor as it is shipped, then with the handles and the threshold that were chosen.
  shipped = { for name, file in local.monitors : name => jsondecode(file("${var.package}/monitors/${file}")) if !contains(var.without, name) }
  told = {
    for name, monitor in local.shipped : name => merge(monitor, {
      message = replace(monitor.message, "@oncall-REPLACE-ME", join(" ", var.notify))
      # What Terraform would otherwise set to its own default, which is true.
      options = merge(monitor.options, { require_full_window = monitor.options.require_full_window })
    })
  }

  # A threshold stands in the query, in the options and in the message.
  set = {
    for name, monitor in local.told : name => contains(keys(var.critical), name) ? merge(monitor, {
      query = replace(monitor.query, "/[0-9.]+$/", tostring(var.critical[name]))
      message = replace(
        monitor.message,
        format("$%s", monitor.options.thresholds.critical),
        format("$%s", var.critical[name]),
      )
      options = merge(monitor.options, {
        thresholds = {
          for key, value in monitor.options.thresholds :
          key => value * var.critical[name] / monitor.options.thresholds.critical
        }
      })
    }) : monitor
  }
}

resource "datadog_webhook_custom_variable" "secret" {
  name      = "SPENDFUSE_WEBHOOK_SECRET"
  value     = var.webhook_secret
  is_secret = true
}

resource "datadog_webhook" "breaker" {
  name      = "spendfuse"
  url       = var.webhook_url
  encode_as = "json"
  payload = jsonencode({
    v          = 1
    monitor    = "$ALERT_ID"
    event      = "$ID"
    transition = "$ALERT_TRANSITION"
    cycle      = "$ALERT_CYCLE_KEY"
    scope      = "$ALERT_SCOPE"
    tags       = "$TAGS"
    at         = "$DATE"
    org        = "$ORG_ID"
    link       = "$LINK"
    title      = "$EVENT_TITLE"
    query      = "$ALERT_QUERY"
    text       = "$TEXT_ONLY_MSG"
  })
  custom_headers = jsonencode({ "x-spendfuse-secret" = "$SPENDFUSE_WEBHOOK_SECRET" })
  depends_on     = [datadog_webhook_custom_variable.secret]
}

resource "datadog_monitor_json" "spendfuse" {
  for_each   = local.set
  monitor    = jsonencode(each.value)
  depends_on = [datadog_webhook.breaker]
}

resource "datadog_dashboard_json" "spendfuse" {
  for_each  = local.dashboards
  dashboard = file("${var.package}/dashboards/${each.value}")
}

# Only metrics that have had a point: Datadog knows no other.
resource "datadog_metric_metadata" "dollars" {
  for_each = toset(var.metrics_in_dollars)
  metric   = each.value
  type     = each.value == "spendfuse.cost" ? "count" : "gauge"
  unit     = "dollar"
}
