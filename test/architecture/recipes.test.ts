import { execFile } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { ATTR, GEN_AI_METRICS } from "../../src/core/names.ts";
import type { Blocked } from "../../src/guard/blocked.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";
import { LAWS } from "./laws.ts";
import { readTree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RECIPES = join(import.meta.dirname, "recipes");
/** What the sources need beside themselves to run. */
const COPIED = ["src", "package.json", "config.schema.json"];

let copy: string;
let vendor: ModelServer;
let receiver: OtlpReceiver;

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), "spendfuse-recipes-"));
  for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  writeFileSync(join(copy, "app.mjs"), APP);
  vendor = await startModelServer();
  receiver = await startOtlpReceiver();
});
beforeEach(() => {
  vendor.play(({ body }) => answerTo(JSON.parse(body)));
});
afterAll(async () => {
  await vendor?.close();
  await receiver?.close();
  rmSync(copy, { recursive: true, force: true });
});

/** Makes one call for each argument behind the address: `whole` or `stream`. */
const APP = `
import { flush, isBlocked, onCall, stop } from "./src/index.ts";
const [url, ...ways] = process.argv.slice(2);
const calls = [];
const answers = [];
onCall((call) => calls.push(call));
for (const way of ways) {
  const body = { model: "command-x", max_tokens: 10, messages: [{ role: "user", content: "Hi" }], stream: way === "stream" };
  const response = await fetch(url + "/v2/chat", {
    method: "POST",
    headers: { authorization: "Bearer k", "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  answers.push({ status: response.status, text, ...(response.ok ? {} : { blocked: isBlocked(JSON.parse(text)) }) });
}
await flush();
await stop();
console.log(JSON.stringify({ calls, answers }));
`;

const END = { finish_reason: "COMPLETE", usage: { tokens: { input_tokens: 11, output_tokens: 7 } } };

function answerTo({ stream }: { readonly stream: boolean }) {
  const message = { role: "assistant", content: [{ type: "text", text: "Hello." }] };
  if (!stream)
    return {
      headers: { "content-type": "application/json" },
      steps: [JSON.stringify({ id: "c-1", message, ...END })],
    };
  const events = [
    { type: "message-start", id: "c-1" },
    { type: "content-delta", index: 0, delta: { message: { content: { text: "Hello." } } } },
    { type: "message-end", delta: END },
  ];
  return {
    headers: { "content-type": "text/event-stream" },
    steps: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
  };
}

/** The row of CONTRIBUTING's table for one kind of part. */
function recipeOf(part: string): string {
  const rows = readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8").split("\n");
  const row = rows.find((line) => line.startsWith(`| ${part} |`));
  if (row === undefined) throw new Error(`CONTRIBUTING.md has no row for ${part}`);
  return row;
}

/** Does in the copy what the row says and nothing else: one file in a folder, one line in its registry. */
function follow(part: string, file: string): void {
  const recipe = recipeOf(part);
  const [, folder, registry] = /one file in `([^`]+)`.*one line in its `([^`]+)`/.exec(recipe) ?? [];
  if (folder === undefined || registry === undefined) throw new Error(`the recipe names no folder: ${recipe}`);
  const name = basename(file, ".ts");
  const camel = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  const source = readFileSync(join(RECIPES, file), "utf8");
  const toSource = `${relative(join(copy, folder), join(copy, "src")) || "."}/`;
  writeFileSync(join(copy, folder, file), source.replaceAll('"../../../src/', `"${toSource}`));
  appendFileSync(join(copy, folder, registry), `export { ${camel} } from "./${name}.ts";\n`);
}

interface Outcome {
  readonly calls: readonly SettledCall[];
  readonly answers: readonly { readonly status: number; readonly text: string; readonly blocked?: Blocked }[];
  readonly stderr: string;
}

const PRICES = [{ model: "command-x", provider: "cohere", inputPerMTok: 1_000, outputPerMTok: 10_000 }];
/** 11 tokens in and 7 out. */
const CALL_USD = 0.081;

/** Runs the app in the copy, from its sources, in a process of its own. */
async function run(env: Readonly<Record<string, string>>, ...ways: readonly ("whole" | "stream")[]): Promise<Outcome> {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--import", "./src/register.ts", "app.mjs", vendor.url, ...ways],
    {
      cwd: copy,
      timeout: 25_000,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        SPENDFUSE_AGENT: "researcher",
        SPENDFUSE_STATE_DIR: join(copy, "state"),
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        ...env,
      },
    },
  );
  return { ...(JSON.parse(stdout) as Omit<Outcome, "stderr">), stderr };
}

const configuration = (config: object): string => JSON.stringify({ prices: PRICES, ...config });

describe("what CONTRIBUTING says is enough", () => {
  test("for a wire format: its calls are metered, priced, refused in its own shape, and on spans", async () => {
    follow("a wire format", "cohere-chat.ts");
    const budgets = [{ name: "two calls", scope: { agent: "*" }, per: "day", calls: 2 }];
    const { calls, answers } = await run({ SPENDFUSE_CONFIG: configuration({ budgets }) }, "whole", "stream", "whole");
    const metered = {
      format: "cohere-chat",
      provider: "cohere",
      requestModel: "command-x",
      quality: "reported",
      usage: expect.objectContaining({ input: 11, output: 7 }),
      priced: "true",
      costUsd: CALL_USD,
      ending: "completed",
    };
    expect(calls).toMatchObject([
      { ...metered, stream: false },
      { ...metered, stream: true },
      { format: "cohere-chat", ending: "blocked" },
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 402]);
    expect(vendor.visits).toHaveLength(2);
    const [, , refused] = answers;
    expect(refused?.blocked).toMatchObject({ reason: "budget", budget: "two calls", spent: 2 });
    expect(JSON.parse(refused?.text ?? "")).toEqual({
      message: expect.stringContaining("spendfuse refused this call"),
      spendfuse: refused?.blocked,
    });
    const spans = receiver.spans.filter(({ attributes }) => attributes[ATTR.provider] === "cohere");
    expect(spans.length).toBeGreaterThanOrEqual(2);
    for (const { name, attributes } of spans) {
      expect(name).toBe("chat command-x");
      expect(attributes[ATTR.operation]).toBe("chat");
    }
    const operations = receiver.points(GEN_AI_METRICS.duration.name).map(({ tags }) => tags[ATTR.operation]);
    expect(new Set(operations)).toEqual(new Set(["chat"]));
  });

  test("for a store: it is opened by its address and outlives the process, and errors name it", async () => {
    follow("a store", "json.ts");
    const budgets = [{ scope: { agent: "*" }, per: "day", usd: 0.25 }];
    const env = {
      SPENDFUSE_CONFIG: configuration({ budgets }),
      SPENDFUSE_STORE: `json:${join(copy, "state", "spend.json")}`,
    };
    const first = await run(env, "whole", "whole");
    expect(first.answers.map(({ status }) => status)).toEqual([200, 200]);
    const [second, wrong] = await Promise.all([
      run(env, "whole"),
      run({ ...env, SPENDFUSE_STORE: "jsonl:spend" }, "whole"),
    ]);
    expect(second.answers.map(({ status }) => status)).toEqual([402]);
    expect(second.answers[0]?.blocked).toMatchObject({ reason: "budget", spentUsd: 2 * CALL_USD, limitUsd: 0.25 });
    expect(wrong.stderr).toMatch(/store.*json:PATH/);
  });

  test("the copy keeps the laws of its folders", () => {
    const tree = readTree(copy);
    expect(tree.has("src/meter/wire/formats/cohere-chat.ts") && tree.has("src/stores/json.ts")).toBe(true);
    for (const [name, law] of Object.entries(LAWS)) {
      if (/^(?:a plug-in|the agent path|no import cycles|flows)/.test(name)) expect(law(tree), name).toEqual([]);
    }
  });
});
