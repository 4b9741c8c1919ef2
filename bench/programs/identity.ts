import { AsyncLocalStorage } from "node:async_hooks";
import { trace } from "@opentelemetry/api";
import { createFaults } from "../../src/core/faults.ts";
import * as frameworks from "../../src/meter/identity/frameworks/registry.ts";
import { createIdentifier, identityAround, listenToFrameworks, nodeFor } from "../../src/meter/identity/identify.ts";
import { createContexts } from "../../src/meter/tracing/context.ts";
import { lookAround } from "../../src/meter/tracing/otel-global.ts";
import { readScopeHeaders } from "../../src/meter/wire/scope-headers.ts";
import { registerProviders } from "../providers.ts";
import { race } from "../race.ts";

/** Asks who makes a call, in an app with OpenTelemetry: with nothing around, in agents of a framework, in spans. */
const CALLS = 2_000;

const contexts = createContexts();
const faults = createFaults((message) => {
  throw new Error(message);
});
const identifier = createIdentifier({
  frameworks: Object.values(frameworks),
  contexts,
  faults,
  watchName: () => {},
});
listenToFrameworks(identifier);
const floor = registerProviders();

const headers = new Headers({
  accept: "application/json",
  authorization: "Bearer sk-bench",
  "content-type": "application/json",
  "user-agent": "OpenAI/JS 7.57.0",
  "x-stainless-lang": "js",
  "x-stainless-package-version": "7.57.0",
  "x-stainless-os": "Linux",
  "x-stainless-arch": "x64",
  "x-stainless-runtime": "node",
  "x-stainless-retry-count": "0",
});

function identify(agent: string): void {
  const said = readScopeHeaders(headers);
  const { scope } = nodeFor(identifier, contexts.capture(), identityAround(identifier, lookAround()), {
    headers,
    said,
    facts: undefined,
  });
  if (scope.agent !== agent) throw new Error(`${scope.agent} instead of ${agent}`);
}

const repeat = (agent: string): void => {
  for (let call = 0; call < CALLS; call++) identify(agent);
};

const store = new AsyncLocalStorage<object>();
let span: object | undefined;
for (const name of ["chief", "desk", "reporter"]) {
  for (const spanData of [{ type: "task" }, { type: "agent", name }, { type: "turn" }, { type: "function" }]) {
    span = { spanData, previousSpan: span };
  }
}

/** Five spans deep, of which two name an agent. */
function inSpans(names: readonly string[], fn: () => void): void {
  const [name, ...rest] = names;
  if (name === undefined) {
    fn();
    return;
  }
  trace.getTracer("bench").startActiveSpan(name, (one) => {
    inSpans(rest, fn);
    one.end();
  });
}

await race(
  [
    async () => repeat("unknown"),
    async () => {
      (globalThis as { [slot: symbol]: unknown })[Symbol.for("openai.agents.core.asyncLocalStorage")] = store;
      store.run({ active: true, span }, () => repeat("reporter"));
      delete (globalThis as { [slot: symbol]: unknown })[Symbol.for("openai.agents.core.asyncLocalStorage")];
    },
    async () =>
      inSpans(["GET /", "invoke_agent chief", "execute_tool ask", "invoke_agent desk", "step 1"], () => repeat("desk")),
    async () => {
      for (let call = 0; call < CALLS; call++) floor.record();
      await floor.flush();
    },
  ],
  { warmUp: 20, turns: 60 },
);
