import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Guarded, guard } from "../guard/guarded.ts";
import { type ModelServer, startModelServer, type Visit } from "../servers/model-server.ts";
import type { StreamBody, WholeBody } from "./bodies.ts";
import type { HostKind, Shape, Watch } from "./shape.ts";
import { aiShapes } from "./shapes-ai.ts";
import { anthropicShapes } from "./shapes-anthropic.ts";
import { googleShapes } from "./shapes-google.ts";
import { openaiChatStreams } from "./shapes-openai-chat.ts";
import { openaiResponsesStreams } from "./shapes-openai-responses.ts";
import { openaiWholes } from "./shapes-openai-whole.ts";

const SHAPES = [
  ...openaiChatStreams,
  ...openaiWholes,
  ...openaiResponsesStreams,
  ...anthropicShapes,
  ...googleShapes,
  ...aiShapes,
].filter(({ name }) => !name.includes("embedding"));

const LIKE: Partial<Record<HostKind, string>> = {
  openai: "api.openai.com",
  azure: "x.openai.azure.com",
  anthropic: "api.anthropic.com",
  google: "generativelanguage.googleapis.com",
};
const MODELS = [
  "gpt-4o",
  "gpt-5",
  "gpt-5-mini",
  "gpt-5.4",
  "claude-sonnet-4-6",
  "claude-sonnet-4-5",
  "claude-opus-4-8",
];
const GEMINI = ["gemini-3-flash-preview", "gemini-2.5-flash"];
const CHEAPER = "cheaper-1";
const MOST = 50;

const LADDER = {
  downgrade: { at: 0, models: Object.fromEntries([...MODELS, ...GEMINI].map((model) => [model, CHEAPER])) },
  shorten: { at: 0, maxOutput: MOST },
};

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

interface Seen {
  readonly visit: Visit;
  readonly items: readonly unknown[];
  readonly bytes: string;
  readonly result: unknown;
}

/** Calls with a fetch in place of the global one, and reads all of the answer. */
async function callWith(send: typeof fetch, shape: Shape): Promise<Seen> {
  const body = shape.body.madeUp() as StreamBody & WholeBody;
  server.play((visit) =>
    shape.kind === "stream"
      ? { headers: { "content-type": "text/event-stream" }, steps: body.frames(visit) }
      : { headers: { "content-type": "application/json" }, steps: [body.body] },
  );
  const items: unknown[] = [];
  let bytes = "";
  const watch: Watch = {
    broke: false,
    leaves: false,
    async see(item) {
      items.push(item);
      return false;
    },
    async bytes(chunk) {
      bytes += Buffer.from(chunk).toString("latin1");
      return false;
    },
  };
  const own = globalThis.fetch;
  globalThis.fetch = send;
  try {
    const signal = new AbortController().signal;
    const site = { url: server.url, key: "sk-test", signal, timeout: undefined, retries: 0 };
    const result = await shape.read(shape.open(site) as never, watch);
    const visit = server.visits[0] as Visit;
    return { visit, items, bytes, result };
  } finally {
    globalThis.fetch = own;
  }
}

/** As text, without what differs from call to call. */
function shown(value: unknown): string {
  return JSON.stringify(value)
    .replace(/"date":"[^"]*"/g, "")
    .replace(/,?"x-spendfuse-[a-z-]+":"[^"]*"/g, "");
}

function limitOf(body: Readonly<Record<string, unknown>>, host: HostKind, path: string): object {
  if (path.includes("generateContent") || path.includes("GenerateContent")) {
    return { generationConfig: { ...(body.generationConfig as object | undefined), maxOutputTokens: MOST } };
  }
  if (path.endsWith("/responses")) return { max_output_tokens: MOST };
  if (host === "anthropic") return { max_tokens: MOST };
  if (body.max_tokens !== undefined) return { max_tokens: MOST };
  return host === "unknown" ? { max_tokens: MOST } : { max_completion_tokens: MOST };
}

async function guarded(host: HostKind, ladder: object | undefined): Promise<Guarded> {
  const like = LIKE[host];
  return guard(undefined, {
    hosts: like === undefined ? [] : [{ host: server.host, like }],
    askUsage: false,
    budgets: [{ scope: { agent: "*" }, per: "hour", calls: 1_000, ...(ladder && { ladder }) }],
  });
}

describe("rungs that change a request, with the SDKs", () => {
  test.each(SHAPES.map((shape) => [shape.name, shape] as const))("%s", async (_, shape) => {
    const bare = await callWith(globalThis.fetch, shape);
    const one = await guarded(shape.host, LADDER);
    const changed = await callWith(one.fetch, shape).finally(() => one.stop());
    const asked = JSON.parse(bare.visit.body);
    const inPath = asked.model === undefined;
    // What the vendor gets.
    expect(JSON.parse(changed.visit.body)).toEqual({
      ...asked,
      ...(!inPath && { model: CHEAPER }),
      ...limitOf(asked, shape.host, bare.visit.path),
    });
    const path = inPath
      ? bare.visit.path.replace(/gemini-[^:]+/, CHEAPER)
      : bare.visit.path.replace(/deployments\/[^/]+/, `deployments/${CHEAPER}`);
    expect(changed.visit.path).toBe(path);
    // What the caller sees is what the vendor answered.
    expect(shown(changed.items)).toBe(shown(bare.items));
    expect(changed.bytes).toBe(bare.bytes);
    // What is recorded.
    const changes = one.settled.map((call) => call.changes);
    expect(changes).toEqual([{ budget: "agent:* per hour", model: expect.any(String), maxOutput: MOST }]);
    expect(one.settled[0]).toMatchObject({ requestModel: CHEAPER, ending: "completed" });
  });

  test.each(SHAPES.map((shape) => [shape.name, shape] as const))("%s, slowed down", async (_, shape) => {
    const bare = await callWith(globalThis.fetch, shape);
    const one = await guarded(shape.host, { throttle: { at: 0, every: "300ms" } });
    try {
      await callWith(one.fetch, shape);
      const begun = performance.now();
      const slowed = await callWith(one.fetch, shape);
      const tookMs = performance.now() - begun;
      expect(slowed.visit.body).toBe(bare.visit.body);
      expect(slowed.visit.path).toBe(bare.visit.path);
      expect(slowed.bytes).toBe(bare.bytes);
      const [first, second] = one.settled;
      expect([first?.throttled, second?.ending]).toEqual([undefined, "completed"]);
      const waitedMs = second?.throttled?.waitedMs ?? 0;
      expect(waitedMs).toBeLessThanOrEqual(tookMs);
      // From one sending to the next; what the first call took is in between.
      expect((second?.startedAt ?? 0) + waitedMs - (first?.startedAt ?? 0)).toBeGreaterThan(250);
    } finally {
      await one.stop();
    }
  });

  test.each(SHAPES.map((shape) => [shape.name, shape] as const))(
    "%s, without a rung: byte for byte",
    async (_, shape) => {
      const bare = await callWith(globalThis.fetch, shape);
      const one = await guarded(shape.host, undefined);
      const same = await callWith(one.fetch, shape).finally(() => one.stop());
      expect(same.visit.body).toBe(bare.visit.body);
      expect(same.visit.path).toBe(bare.visit.path);
      expect(one.settled[0]?.changes).toBeUndefined();
    },
  );
});
