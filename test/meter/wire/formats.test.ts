import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { ATTR, GEN_AI_METRICS } from "../../../src/core/names.ts";
import { isBlocked } from "../../../src/guard/blocked.ts";
import { createInstruments } from "../../../src/meter/metrics/instruments.ts";
import type { Endpoint } from "../../../src/meter/wire/endpoints.ts";
import { newReading, type WireFormat } from "../../../src/meter/wire/formats/format.ts";
import * as registry from "../../../src/meter/wire/formats/registry.ts";
import { FRAMINGS } from "../../../src/meter/wire/framings.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { settledCall } from "../../fixtures/calls.ts";
import { type ModelServer, type Script, startModelServer } from "../../servers/model-server.ts";
import { EXAMPLES, MODEL } from "./examples.ts";

/** What fetch carries: the endpoints of WebSockets are tested with their transport. */
const formats: readonly WireFormat[] = Object.values<WireFormat>(registry)
  .map((format) => ({ ...format, endpoints: format.endpoints.filter(({ method }) => method !== "WEBSOCKET") }))
  .filter(({ endpoints }) => endpoints.length > 0);
const bare = globalThis.fetch;
let server: ModelServer;
let runtime: Runtime | undefined;

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  await runtime?.stop();
  runtime = undefined;
  globalThis.fetch = bare;
});
afterAll(() => server.close());

/** A process with the hook installed, and a price for the examples' model; the host is unknown. */
async function install(config: ConfigFile = {}): Promise<readonly SettledCall[]> {
  const settled: SettledCall[] = [];
  runtime = createRuntime(() => {});
  runtime.listeners.add((call) => settled.push(call));
  const prices = [{ model: MODEL, inputPerMTok: 1, outputPerMTok: 10 }];
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}" }, config: { prices, ...config } });
  return settled;
}

interface Row {
  readonly format: WireFormat;
  readonly endpoint: Endpoint;
  readonly stream: boolean;
}

/** Every endpoint of every format, once whole and once as a stream, as far as the endpoint has both. */
const ROWS: readonly Row[] = formats.flatMap((format) =>
  format.endpoints.flatMap((endpoint) =>
    [false, true]
      .filter((stream) => endpoint.stream === undefined || endpoint.stream === stream)
      .filter((stream) => !stream || endpoint.method === "POST")
      .map((stream) => ({ format, endpoint, stream })),
  ),
);

const ask = async ({ format, endpoint, stream }: Row): Promise<Response> => {
  const example = EXAMPLES[format.name];
  const path = endpoint.path.replace(/\{(?:model|arn)\}/, MODEL).replace(/\{\w+\}/g, "1");
  const request = stream ? (example?.streamed ?? example?.request) : example?.request;
  // A model that the path names is not in the body.
  const body = path.includes(MODEL) ? { ...request, model: undefined } : request;
  return fetch(`${server.url}/v1${path}`, {
    method: endpoint.method,
    headers: { "content-type": "application/json", authorization: "Bearer k" },
    ...(endpoint.method === "POST" && { body: JSON.stringify(body) }),
  });
};

function answerOf({ format, endpoint, stream }: Row): Script {
  const example = EXAMPLES[format.name];
  const type = FRAMINGS[endpoint.framing ?? "sse"].type;
  if (stream) return { headers: { "content-type": type }, steps: [example?.stream ?? ""] };
  const json = endpoint.method === "GET" ? example?.retrieved : example?.answer;
  return { headers: { "content-type": "application/json" }, steps: [JSON.stringify(json)] };
}

const rowsOf = (rows: readonly Row[]) =>
  rows.map((row) => [`${row.format.name} ${row.endpoint.method} ${row.endpoint.path}`, row.stream, row] as const);

describe("every wire format of the registry", () => {
  test("has an example, and no example is of another", () => {
    const without = formats.filter(({ name }) => EXAMPLES[name] === undefined);
    expect(without.map(({ name }) => `add an example of ${name} to test/meter/wire/examples.ts`)).toEqual([]);
    const known = formats.map(({ name }) => name);
    expect(Object.keys(EXAMPLES).filter((name) => !known.includes(name))).toEqual([]);
  });

  test("has a stream in its example where it streams, and a retrieval where it is retrieved", () => {
    for (const { name, endpoints } of formats) {
      const example = EXAMPLES[name];
      if (endpoints.some(({ stream, method }) => method === "POST" && stream !== false)) {
        expect(example?.stream, `the example of ${name} needs a stream`).toBeDefined();
      }
      if (endpoints.some(({ method }) => method === "GET")) {
        expect(example?.retrieved, `the example of ${name} needs what a GET answers`).toBeDefined();
      }
    }
  });

  test.each(rowsOf(ROWS))("%s, stream %s: is metered and priced by a real fetch", async (_path, stream, row) => {
    const settled = await install();
    server.play(answerOf(row));
    const sent = Buffer.from(answerOf(row).steps[0] as string | Uint8Array);
    expect(Buffer.from(await (await ask(row)).arrayBuffer())).toEqual(sent);
    await runtime?.flush();
    const output = row.format.operation === "embeddings" ? 0 : 7;
    expect(settled).toEqual([
      expect.objectContaining({
        format: row.format.name,
        provider: row.format.provider,
        model: MODEL,
        stream,
        ending: "completed",
        quality: "reported",
        usage: expect.objectContaining({ input: 11, output }),
        priced: "true",
        costUsd: (11 + 10 * output) / 1e6,
      }),
    ]);
    if (row.endpoint.method === "POST") expect(settled[0]?.requestModel).toBe(MODEL);
  });

  const priced = ROWS.filter(({ endpoint }) => endpoint.method === "POST");

  test.each(rowsOf(priced))("%s, stream %s: is refused in its own shape", async (_path, _stream, row) => {
    const settled = await install({ budgets: [{ scope: { agent: "*" }, per: "hour", calls: 1 }] });
    server.play(answerOf(row));
    await (await ask(row)).text();
    const refused = await ask(row);
    expect(refused.status).toBe(402);
    expect(refused.headers.get("x-should-retry")).toBe("false");
    const body = (await refused.json()) as object;
    const blocked = isBlocked(body);
    expect(blocked).toMatchObject({ reason: "budget", limit: 1, unit: "calls" });
    expect(body).toEqual(row.format.refusal.body(messageOf(body), blocked!));
    expect(server.visits).toHaveLength(1);
    expect(settled.map(({ ending }) => ending)).toEqual(["completed", "blocked"]);

    const reading = newReading(undefined);
    row.format.readBody(body, reading);
    expect(reading.failed, "the format reads its own error as one").toBe(true);
  });

  test.each(formats.map((format) => [format.name, format] as const))(
    "%s: no word is taken for a name",
    (_name, format) => {
      const odd = { toString: null };
      for (const type of ["__proto__", "constructor", odd]) {
        const reading = newReading(undefined);
        format.readFrame({ type, delta: "x", item: { type } }, "__proto__", reading);
        format.readBody({ type, object: type, status: type, output: [{ type }] }, reading);
        expect(Object.keys(reading)).toEqual(Object.keys(newReading(undefined)));
        expect(reading).toMatchObject({ visible: 0, thought: 0, toolCalls: 0 });
      }
    },
  );

  test.each(formats.map((format) => [format.name, format] as const))("%s: says its operation", (name, format) => {
    const instruments = createInstruments({ processName: () => "host-0" });
    instruments.keepDurations();
    instruments.record(settledCall("a", { format: name }), []);
    const duration = instruments.take().find(({ metric }) => metric === GEN_AI_METRICS.duration);
    expect(duration?.points.map(({ tags }) => tags[ATTR.operation])).toEqual([format.operation]);
  });
});

/** The text with our mark, wherever the format puts it. */
function messageOf(body: object): string {
  const texts: string[] = [];
  JSON.stringify(body, (_key, value: unknown) => {
    if (typeof value === "string" && value.includes("[spendfuse ")) texts.push(value);
    return value;
  });
  return texts[0] ?? "";
}
