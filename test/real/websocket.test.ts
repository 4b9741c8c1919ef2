import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, type TestContext, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { needApp } from "../apps/installed.ts";
import { run } from "../package/processes.ts";
import { startWebSocketServer } from "../servers/websocket-server.ts";

const ROOT = join(import.meta.dirname, "../..");
const url = (path: string): string => pathToFileURL(join(ROOT, path)).href;

const NODES: readonly { readonly name: string; readonly app?: string; readonly flags?: readonly string[] }[] = [
  { name: "Node 22.15", app: "node-22", flags: ["--experimental-strip-types"] },
  { name: "Node 24", app: "node-24" },
  { name: "Node 26" },
];

/** The format and the tokens of each client's one response. */
const OPENAI = { realtime: ["openai-realtime", 132, 121], responses: ["openai-responses", 100, 20] } as const;
const EXPECTED: Readonly<Record<string, readonly [format: string, input: number, output: number]>> = {
  "openai realtime, ws": OPENAI.realtime,
  "openai realtime, browser style": OPENAI.realtime,
  "openai responses, ws": OPENAI.responses,
  "@openai/agents-realtime": OPENAI.realtime,
  "@google/genai live": ["gemini-live", 50, 30],
  "ws, bare": OPENAI.responses,
  "global WebSocket, bare": OPENAI.responses,
};

interface Ran {
  readonly name: string;
  readonly outcome: string;
}

async function play(context: TestContext, { app, flags = [] }: (typeof NODES)[number], config: object, bare = false) {
  const node = app
    ? join(await needApp(context, app, { scripts: true }), "node_modules/node/bin/node")
    : process.execPath;
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const server = await startWebSocketServer({ tls: true });
  const collected = join(folder, "calls.json");
  const hosts = [{ host: server.host, provider: "openai" }];
  const imports = bare ? [] : [url("src/register.ts"), url("test/real/frameworks/collect.mjs")];
  try {
    const output = await run(
      node,
      [
        ...flags,
        "--no-warnings",
        ...imports.flatMap((path) => ["--import", path]),
        join(ROOT, "test/real/websocket/app.mjs"),
      ],
      {
        cwd: folder,
        env: {
          NODE_ENV: undefined,
          NODE_OPTIONS: undefined,
          NODE_TLS_REJECT_UNAUTHORIZED: "0",
          APP_ROOT: join(ROOT, "package.json"),
          SERVER: server.url,
          SPENDFUSE_TEST_INDEX: url("src/index.ts"),
          SPENDFUSE_STATE_DIR: folder,
          SPENDFUSE_QUIET: "1",
          COLLECTED: collected,
          SPENDFUSE_CONFIG: JSON.stringify({ hosts, ...config }),
        },
      },
    );
    const ran = JSON.parse(/^RAN (.*)$/m.exec(output)?.[1] ?? "[]") as Ran[];
    const calls = bare ? [] : (JSON.parse(readFileSync(collected, "utf8")) as SettledCall[]);
    return { ran, calls, received: server.received.length, handshakes: server.handshakes.length };
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.for(NODES)("on $name", (node) => {
  test("each response of the clients is one call, with the vendor's tokens", async (context) => {
    const { ran, calls } = await play(context, node, {});
    const names = Object.keys(EXPECTED);
    const right = names.filter((name, index) => {
      const call = calls[index];
      const [format, input, output] = EXPECTED[name] as readonly [string, number, number];
      return (
        call?.format === format &&
        call.usage?.input === input &&
        call.usage.output === output &&
        call.ending === "completed"
      );
    });
    console.log(`${node.name}, WebSocket clients: ${right.length} of ${names.length} right`);
    expect(ran).toEqual(names.map((name) => ({ name, outcome: "answered" })));
    expect(right).toEqual(names);
    expect(calls).toHaveLength(names.length);
  });

  test("a handshake over a budget fails with our reason, in the client's own error", async (context) => {
    const { ran, calls, received } = await play(context, node, { budgets: [{ name: "one", per: "day", calls: 1 }] });
    const refused = ran.slice(1).filter(({ outcome }) => /budget|one/.test(outcome));
    console.log(`${node.name}, WebSocket clients refused: ${refused.length} of ${ran.length - 1} with the reason`);
    expect(calls.map(({ ending }) => ending)).toEqual(["completed", ...ran.slice(1).map(() => "blocked")]);
    expect(received).toBe(1);
    expect(ran.slice(1).every(({ outcome }) => outcome.startsWith("failed"))).toBe(true);
  });
});
