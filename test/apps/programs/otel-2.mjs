// An app with an OpenTelemetry SDK 2.x of its own: our metrics and our span of the agent are to arrive in it.
import { metrics, NodeSDK, tracing } from "@opentelemetry/sdk-node";
import { flush, onCall, scope } from "spendfuse";
import ask from "./ask.cjs";
import report from "./report.cjs";

const agent = process.env.TEST_AGENT;
const spans = new tracing.InMemorySpanExporter();
const points = new metrics.InMemoryMetricExporter(metrics.AggregationTemporality.DELTA);
const reader = new metrics.PeriodicExportingMetricReader({ exporter: points });
const sdk = new NodeSDK({
  spanProcessors: [new tracing.SimpleSpanProcessor(spans)],
  metricReaders: [reader],
  autoDetectResources: false,
});
sdk.start();
const print = report(onCall);
await scope({ agent }, () => ask());
await flush();
await reader.forceFlush();
const names = spans.getFinishedSpans().map((span) => span.name);
if (!names.includes(`invoke_agent ${agent}`)) throw new Error(`Only these spans came: ${names}`);
const calls = points
  .getMetrics()
  .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((one) => one.metrics))
  .filter((metric) => metric.descriptor.name === "spendfuse.calls")
  .flatMap((metric) => metric.dataPoints)
  .reduce((sum, { value }) => sum + value, 0);
if (calls !== 2) throw new Error(`${calls} calls came to the app's own metrics`);
print();
await sdk.shutdown();
