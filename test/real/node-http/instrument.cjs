// Datadog's tracer and OpenTelemetry's instrumentations, as an app has them: before its own first line.
require("dd-trace").init({ plugins: true });
const { NodeSDK } = require("@opentelemetry/sdk-node");
const { AwsInstrumentation } = require("@opentelemetry/instrumentation-aws-sdk");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { UndiciInstrumentation } = require("@opentelemetry/instrumentation-undici");

new NodeSDK({
  instrumentations: [new HttpInstrumentation(), new UndiciInstrumentation(), new AwsInstrumentation()],
}).start();
