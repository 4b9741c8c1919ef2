# What is installed: the package's own JSON, with the handles and limits that were chosen, as `spendfuse deploy` sends it.

locals {
  dashboards = { for file in fileset("${var.package}/dashboards", "*.json") : trimsuffix(file, ".json") => file }

  shipped = {
    for file in fileset("${var.package}/monitors", "*.json") :
    trimsuffix(file, ".json") => jsondecode(file("${var.package}/monitors/${file}"))
    if !contains(var.without, trimsuffix(file, ".json"))
  }

  # Of each monitor whose limit was chosen: all thresholds, which keep their ratio, as they were and as they become.
  thresholds = {
    for name, monitor in local.shipped : name => {
      for key, value in monitor.options.thresholds : key => {
        before = value
        after = (
          key == "critical" ? var.critical[name]
          : tonumber(format("%.6g", value * var.critical[name] / monitor.options.thresholds.critical))
        )
      }
    } if contains(keys(var.critical), name)
  }

  # Figures as messages write them: $20, $37.50. Each becomes a mark first, so that none is replaced twice.
  figures = {
    for name, thresholds in local.thresholds : name => {
      for key, threshold in thresholds : key => {
        for when, value in threshold :
        when => format("$%s", can(regex("^[0-9]+\\.[0-9]$", tostring(value))) ? "${tostring(value)}0" : tostring(value))
      }
    }
  }
  messages = {
    for name, monitor in local.shipped : name => join("", [
      for part in flatten(regexall("\\$[0-9]+(?:\\.[0-9]+)?|[^$]+|\\$", monitor.message)) :
      lookup({ for figure in values(lookup(local.figures, name, {})) : figure.before => figure.after... }, part, [part])[0]
    ])
  }

  monitors = {
    for name, monitor in local.shipped : name => merge(concat(
      # Datadog trims messages: with their last newline the second plan would never be empty.
      [monitor, { message = trimspace(replace(local.messages[name], "@oncall-REPLACE-ME", join(" ", var.notify))) }],
      [for critical in [for key, value in var.critical : value if key == name] : {
        query   = replace(monitor.query, "/[0-9.]+$/", tostring(critical))
        options = merge(monitor.options, { thresholds = { for key, each in local.thresholds[name] : key => each.after } })
      }],
    )...)
  }

  # The provider compares what is configured with Datadog's answer, key by key. Datadog drops one default that is sent, and
  # adds those that are not: they are written here as it answers them, or the second plan would never be empty.
  options = {
    for name, monitor in local.monitors : name => merge(
      { new_host_delay = 300 },
      { for key, value in monitor.options : "notify_no_data" => false if key == "on_missing_data" && value == "default" },
      { for key, value in monitor.options : key => value if !(key == "on_missing_data" && value == "default") },
    )
  }
  unshared = { notify_list = [], restricted_roles = [] }
}
