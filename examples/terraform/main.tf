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
  for_each   = local.monitors
  monitor    = jsonencode(merge(each.value, { options = local.options[each.key] }))
  depends_on = [datadog_webhook.breaker]
}

resource "datadog_dashboard_json" "spendfuse" {
  for_each  = local.dashboards
  dashboard = jsonencode(merge(local.unshared, jsondecode(file("${var.package}/dashboards/${each.value}"))))
}

# Only where asked: Datadog answers 404 for a metric that has had no point yet.
resource "datadog_metric_metadata" "dollars" {
  for_each = toset(var.metrics_in_dollars)
  metric   = each.value
  type     = each.value == "spendfuse.cost" ? "count" : "gauge"
  unit     = "dollar"
}
