// Preloaded by apps that have an OpenTelemetry of their own: the SDK of the app's tree, with nowhere to send to.
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/app.mjs`);
const { NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");
new NodeTracerProvider().register();
