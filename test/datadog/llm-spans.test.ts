import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { TRACES_SCHEMA } from "../../src/sandbox/intake/otlp-schema.ts";
import { readProtobuf } from "../../src/sandbox/intake/protobuf.ts";

/** With what LLM Observability is documented to read besides. */
const SCHEMA = { ...TRACES_SCHEMA, Span: { ...TRACES_SCHEMA.Span, 6: ["kind", "enum"] as const } };
const CLIENT = 3;

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: unknown; readonly doubleValue?: number };
}
interface Traces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly kind: number;
        readonly attributes: readonly Attribute[];
      }[];
    }[];
  }[];
}

let runtime: Runtime;
let close: () => void;
const received: { readonly headers: IncomingHttpHeaders; readonly traces: Traces }[] = [];

beforeEach(async () => {
  received.length = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (request.url === "/v1/traces") {
      const plain = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      received.push({ headers: request.headers, traces: readProtobuf(plain, SCHEMA, "Request") as unknown as Traces });
    }
    response.writeHead(202, { "content-type": "application/x-protobuf" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  runtime = createRuntime(() => {});
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { DD_API_KEY: "k", DD_SERVICE: "shop", SPENDFUSE_DD_TRACES: "1", SPENDFUSE_DD_OTLP_URL: url };
  await runtime.start({ env });
});
afterEach(async () => {
  await runtime.stop();
  close();
});

const valuesOf = (attributes: readonly Attribute[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? doubleValue : Number(intValue)),
    ]),
  );

const OPENAI = {
  url: "https://api.openai.com/v1/chat/completions",
  ask: { model: "gpt-5", messages: [{ role: "user", content: "a secret" }] },
  answer: {
    id: "chatcmpl-1",
    model: "gpt-5-2025-08-07",
    choices: [{ index: 0, message: { role: "assistant", content: "hidden" }, finish_reason: "stop" }],
    usage: {
      prompt_tokens: 1_000,
      completion_tokens: 100,
      total_tokens: 1_100,
      prompt_tokens_details: { cached_tokens: 400 },
    },
  },
};
const ANTHROPIC = {
  url: "https://api.anthropic.com/v1/messages",
  ask: { model: "claude-sonnet-4-5", max_tokens: 200, messages: [{ role: "user", content: "a secret" }] },
  answer: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-sonnet-4-5",
    content: [{ type: "text", text: "hidden" }],
    stop_reason: "end_turn",
    usage: { input_tokens: 500, output_tokens: 100, cache_read_input_tokens: 400, cache_creation_input_tokens: 100 },
  },
};

describe("spans for LLM Observability", () => {
  test.each([
    ["openai", "gpt-5", OPENAI, 0],
    ["anthropic", "claude-sonnet-4-5", ANTHROPIC, 100],
  ])("%s: carry all that its documentation asks for, and no content", async (provider, model, call, written) => {
    const metered = runtime.wrapFetch(async () => Response.json(call.answer));
    const response = await metered(call.url, {
      method: "POST",
      headers: { "x-spendfuse-agent": "bot" },
      body: JSON.stringify({ ...call.ask, stream: false }),
    });
    await response.json();
    await runtime.flush();
    expect(received).toHaveLength(1);
    const [{ headers, traces }] = received as [(typeof received)[number]];
    expect(headers).toMatchObject({
      "dd-api-key": "k",
      "dd-otlp-source": "llmobs",
      "content-type": "application/x-protobuf",
    });
    const [resource] = traces.resourceSpans;
    // The root span's service is the application (`ml_app`).
    expect(valuesOf(resource?.resource.attributes ?? [])).toMatchObject({ "service.name": "shop" });
    const [span] = resource?.scopeSpans[0]?.spans ?? [];
    expect([span?.name, span?.kind]).toEqual([`chat ${model}`, CLIENT]);
    const attributes = valuesOf(span?.attributes ?? []);
    expect(attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": provider,
      "gen_ai.request.model": model,
      "gen_ai.response.model": call.answer.model,
      "gen_ai.usage.input_tokens": 1_000,
      "gen_ai.usage.output_tokens": 100,
      // Without the share that was read from a cache all of the input would be estimated at the full rate.
      "gen_ai.usage.cache_read.input_tokens": 400,
      ...(written > 0 && { "gen_ai.usage.cache_write.input_tokens": written }),
      "gen_ai.agent.name": "bot",
      "gen_ai.usage.cost.currency": "USD",
    });
    expect(attributes["gen_ai.usage.cost.amount"]).toBeGreaterThan(0);
    expect(JSON.stringify(span)).not.toMatch(/a secret|hidden/);
  });
});
