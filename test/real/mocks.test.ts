import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { answer } from "../meter/transports/node-http/metering.ts";
import { run } from "../package/processes.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { startWebSocketServer } from "../servers/websocket-server.ts";

const ROOT = join(import.meta.dirname, "../..");
const url = (path: string): string => pathToFileURL(join(ROOT, path)).href;

interface Played {
  readonly seen: Readonly<Record<string, { readonly value?: unknown; readonly error?: string }>>;
  readonly calls: readonly { readonly ending: string; readonly usage?: { readonly input: number } }[];
  readonly requests: number;
}

let model: ModelServer;
let sockets: Awaited<ReturnType<typeof startWebSocketServer>>;
beforeAll(async () => {
  [model, sockets] = await Promise.all([startModelServer(), startWebSocketServer()]);
});
afterAll(async () => {
  await Promise.all([model.close(), sockets.close()]);
});

async function play(context: TestContext, library: string, mode: "bare" | "metered" | "refused"): Promise<Played> {
  const cwd = await needApp(context, "mocks");
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const program = join(cwd, `${process.pid}-app.mjs`);
  copyFileSync(join(import.meta.dirname, "mocks/app.mjs"), program);
  answer(model);
  const before = sockets.received.length;
  const [collected, seen] = [join(folder, "calls.json"), join(folder, "seen.json")];
  const ours = mode === "bare" ? [] : [url("src/register.ts"), url("test/real/frameworks/collect.mjs")];
  const hosts = [
    { host: model.host, like: "api.openai.com" },
    { host: sockets.host, provider: "openai" },
  ];
  const budgets = mode === "refused" ? [{ name: "none at all", per: "hour", calls: 0 }] : [];
  try {
    await run(process.execPath, ["--no-warnings", ...ours.flatMap((path) => ["--import", path]), program, library], {
      cwd,
      env: {
        NODE_ENV: undefined,
        SPENDFUSE_TEST_INDEX: url("src/index.ts"),
        SPENDFUSE_STATE_DIR: folder,
        SPENDFUSE_QUIET: "1",
        SPENDFUSE_CONFIG: JSON.stringify({ hosts, budgets }),
        COLLECTED: collected,
        MODEL_URL: model.url,
        SOCKET_URL: sockets.url,
        SEEN: seen,
      },
    });
    return {
      seen: JSON.parse(readFileSync(seen, "utf8")),
      calls: mode === "bare" ? [] : JSON.parse(readFileSync(collected, "utf8")),
      requests: model.visits.length + sockets.received.length - before,
    };
  } finally {
    rmSync(program, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the calls of an app end with, by the input tokens that its mocks, the model and the socket report. */
function countsOf({ calls }: Played): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { ending, usage } of calls) {
    const key = usage ? `${ending}, ${usage.input} tokens` : ending;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const MOCKED = { "completed, 9 tokens": 8, "completed, 110 tokens": 7, failed: 4 };
const CASES = [
  ["nock", MOCKED],
  ["msw", MOCKED],
  ["ws-7", { "completed, 100 tokens": 1 }],
] as const;

describe.each(CASES)("beside %s", (library, expected) => {
  test("an app sees what it sees without us, and each call is metered once", async (context) => {
    const bare = await play(context, library, "bare");
    const ours = await play(context, library, "metered");
    console.log(`${library}: ${ours.calls.length} of ${Object.keys(bare.seen).length} calls metered, as without us`);
    expect(ours.seen).toEqual(bare.seen);
    expect(ours.requests).toBe(bare.requests);
    expect(countsOf(ours)).toEqual(expected);
  });

  test("each call over a budget is refused, mocked or not", async (context) => {
    const refused = await play(context, library, "refused");
    expect(countsOf(refused)).toEqual({ blocked: Object.keys(refused.seen).length });
    expect(refused.requests).toBe(0);
  });
});
