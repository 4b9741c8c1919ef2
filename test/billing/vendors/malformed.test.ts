import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ADMIN_KEYS, DAY, type Stage, setStage, TODAY } from "../stage.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Path = readonly (string | number)[];

const day = new Date(TODAY - DAY).toISOString().slice(0, 10);
const seconds = (TODAY - DAY) / 1_000;

/** Two rows of each report of a vendor, and in which list of an answer they stand. */
const VENDORS = {
  openai: {
    reports: ["costs 1d", "completions 1d"],
    rows: ["data", 0, "results"],
    costs: [1, 2].map((n) => ({
      ...{ day: seconds, project_id: "proj_abc", api_key_id: `key_${n}`, line_item: "gpt-6-astra, input_tokens" },
      ...{ value: 0.06, quantity: 10_000, quantity_unit: "tokens" },
    })),
    usages: [1, 2].map((n) => ({
      ...{ day: seconds, report: "completions", project_id: "proj_abc", api_key_id: `key_${n}`, model: "gpt-6-astra" },
      ...{ batch: false, service_tier: "default", counts: { input_tokens: 1_500, output_tokens: 300 } },
    })),
  },
  anthropic: {
    reports: ["analytics cost 1d", "analytics usage 1d"],
    rows: ["data"],
    costs: [1, 2].map((n) => ({
      ...{ day, api_key_id: `apikey_0${n}`, workspace_id: "wrkspc_01", model: "claude-opus-5-5" },
      ...{ service_tier: "standard", context_window: "0-200k", cost_type: "tokens", token_type: "output_tokens" },
      ...{ amount: "41280.000000", list_amount: "45000.000000" },
    })),
    usages: [1, 2].map((n) => ({
      ...{ day, api_key_id: `apikey_0${n}`, workspace_id: "wrkspc_01", model: "claude-opus-5-5" },
      ...{ service_tier: "standard", context_window: "0-200k", uncached_input_tokens: 2_000 },
      ...{ cache_read_input_tokens: 100_000, output_tokens: 3_000, requests: 7, web_searches: 2 },
      cache_creation: { ephemeral_5m_input_tokens: 10_000, ephemeral_1h_input_tokens: 20_000 },
    })),
  },
  openrouter: {
    reports: ["activity 1d"],
    rows: ["data"],
    costs: [1, 2].map((n) => ({
      ...{ date: day, model: `openai/gpt-${n}`, model_permaslug: `openai/gpt-${n}`, endpoint_id: `550e840${n}` },
      ...{ provider_name: "OpenAI", key: null, usage: 0.015, byok_usage_inference: 0.012, requests: 5 },
      ...{ prompt_tokens: 50, completion_tokens: 125, reasoning_tokens: 25 },
    })),
    usages: [],
  },
} as const;
const BAD: readonly (Json | undefined)[] = [undefined, null, "x", -1, 1e300, "1e400", true, [], {}];

let stage: Stage;
afterEach(() => stage.close());

describe.each(Object.keys(VENDORS) as (keyof typeof VENDORS)[])("a malformed field of a row of %s's bill", (name) => {
  const { reports, rows: list, costs, usages } = VENDORS[name];

  test.each(reports)("costs no other row, and is said: %s", async (report) => {
    stage = await setStage(name);
    Object.assign(stage.books, { costs: [...costs], usages: [...usages] });
    const window = { report, from: TODAY - DAY, until: TODAY };
    let tamper = (_answer: Json): void => {};
    const proxy = await tamperingProxy(stage.server.url, (answer) => tamper(answer));
    const options = { key: ADMIN_KEYS[name], url: proxy.url, env: {}, onServerTime: () => {}, now: () => TODAY };
    const account = await stage.vendor.open(options);
    const read = async () => {
      const page = await account.read(window, undefined);
      if (page === "replan") throw new Error("replanned");
      return page;
    };
    let fields: readonly Path[] = [];
    tamper = (answer) => {
      const found = leavesOf(at(answer, [...list, 0]));
      if (found.length > fields.length) fields = found;
    };
    const whole = await read();
    expect([whole.rows.length, whole.unread]).toEqual([2, undefined]);
    expect(fields.length).toBeGreaterThan(3);

    for (const field of fields) {
      for (const bad of BAD) {
        tamper = (answer) => set(at(answer, list), [0, ...field], bad);
        const page = await read().catch((error: unknown) => error);
        const what = `${field.join(".")} = ${JSON.stringify(bad)}`;
        expect(page, what).not.toBeInstanceOf(Error);
        const { rows, unread = [] } = page as Awaited<ReturnType<typeof read>>;
        expect(rows.length + unread.length, what).toBe(2);
        expect(rows, what).toContainEqual(whole.rows[1]);
      }
    }
    proxy.close();
  });
});

/** Answers as the vendor does, once `tamper` has been at it. */
async function tamperingProxy(upstream: string, tamper: (answer: Json) => void) {
  const server = createServer(async (request, response) => {
    const headers = request.headers as Record<string, string>;
    const answer = await fetch(upstream + request.url, { headers });
    const body = (await answer.json()) as Json;
    tamper(body);
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => server.close() };
}

function at(value: Json | undefined, path: Path): Json | undefined {
  return path.reduce<Json | undefined>((inner, name) => (inner as Record<string, Json> | undefined)?.[name], value);
}

function set(value: Json | undefined, path: Path, to: Json | undefined): void {
  const parent = at(value, path.slice(0, -1)) as Record<string | number, Json | undefined> | undefined;
  if (parent !== undefined) parent[path.at(-1) as string] = to;
}

/** Every field of a row, the objects in it too. */
function leavesOf(value: Json | undefined, path: Path = []): readonly Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Object.entries(value).flatMap(([name, one]) => leavesOf(one, [...path, name]));
  return path.length === 0 ? inner : [path, ...inner];
}
