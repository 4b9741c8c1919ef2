/** The environment in which OpenTelemetry and Datadog send nothing, and nothing waits for them. */
export const QUIET = {
  OTEL_METRICS_EXPORTER: "none",
  OTEL_LOGS_EXPORTER: "none",
  DD_TRACE_EXPERIMENTAL_EXPORTER: "log",
  DD_TRACE_STARTUP_LOGS: "false",
  DD_INSTRUMENTATION_TELEMETRY_ENABLED: "false",
  DD_REMOTE_CONFIGURATION_ENABLED: "false",
  DD_TRACE_AGENT_URL: "http://127.0.0.1:9",
};
