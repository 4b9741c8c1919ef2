import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { runApp } from "./frameworks/run-app.ts";

/** An app that has spans of LLM Observability for its calls, as Datadog's integrations make them. */
const PROGRAM = `
const tracer = require("dd-trace").init({ plugins: false, llmobs: { mlApp: "app", agentlessEnabled: false } });
const ask = async () => {
  const response = await fetch(process.env.OPENAI_BASE_URL + "/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-test" },
    body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "agent: bot" }] }),
  });
  await response.json();
};
const llm = { kind: "llm", name: "openai.request", modelName: "gpt-4o-mini", modelProvider: "openai" };
(async () => {
  await tracer.llmobs.trace({ kind: "workflow", name: "job" }, () => tracer.llmobs.trace(llm, ask));
  tracer.llmobs.flush();
  await new Promise((resolve) => setTimeout(resolve, 500));
})();
`;

interface Observed {
  readonly name: string;
  readonly meta: { readonly "span.kind"?: string; readonly span?: { readonly kind?: string } };
  readonly metrics: Readonly<Record<string, number>>;
}

let observed: Observed[];
let agent: string;
let close: () => void;

beforeEach(async () => {
  observed = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.url?.includes("/api/v2/llmobs")) {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as unknown;
      for (const { spans } of [body].flat() as readonly { readonly spans?: readonly Observed[] }[])
        observed.push(...(spans ?? []));
    }
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ endpoints: ["/evp_proxy/v2/"] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  agent = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => {
    server.closeAllConnections();
    server.close();
  };
});
afterEach(() => close());

test("LLM Observability shows the cost that was metered, on the span of the call alone", async (context) => {
  const cwd = await needApp(context, "dd-trace");
  const program = join(cwd, `${process.pid}-llm-observability.cjs`);
  writeFileSync(program, PROGRAM);
  onTestFinished(() => rmSync(program, { force: true }));
  const env = { DD_TRACE_AGENT_URL: agent, DD_INSTRUMENTATION_TELEMETRY_ENABLED: "false", SPENDFUSE_AGENT: "bot" };
  const { metered, output } = await runApp(program, { cwd, env });
  expect(metered, output).toHaveLength(1);
  expect(metered[0]?.costUsd).toBeGreaterThan(0);
  const costs = observed.map(({ name, metrics }) => [name, metrics.total_cost]);
  expect(costs.sort()).toEqual([
    ["job", undefined],
    ["openai.request", metered[0]?.costUsd],
  ]);
  observed = [];
  await runApp(program, { cwd, env, bare: true });
  expect(observed.map(({ metrics }) => metrics.total_cost)).toEqual([undefined, undefined]);
});
