// Datadog's tracer, which nests OpenTelemetry's API 1.9 and patches fetch itself.
const tracer = require("dd-trace").init({ startupLogs: false });
const { flush, onCall, scope } = require("spendfuse");
const ask = require("./ask.cjs");
const print = require("./report.cjs")(onCall);

new tracer.TracerProvider().register();
scope({ agent: process.env.TEST_AGENT }, () => ask())
  .then(flush)
  .then(print);
