import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { METERED } from "../meter/transports/fetch/body/answers.ts";
import { answer } from "../meter/transports/node-http/metering.ts";
import { run } from "../package/processes.ts";
import { BEDROCK_USAGE, type BedrockServer, startBedrockServer } from "../servers/bedrock-server.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { QUIET } from "./frameworks/quiet.ts";

const ROOT = join(import.meta.dirname, "../..");
const url = (path: string): string => pathToFileURL(join(ROOT, path)).href;

interface Outcome {
  readonly value?: unknown;
  readonly error?: string;
}
interface Played {
  readonly seen: Readonly<Record<string, Outcome>>;
  readonly calls: readonly { readonly ending: string; readonly usage?: object; readonly provider: string }[];
  readonly requests: number;
}

let model: ModelServer;
let bedrock: BedrockServer;
beforeAll(async () => {
  [model, bedrock] = await Promise.all([startModelServer(), startBedrockServer()]);
});
afterAll(async () => {
  await Promise.all([model.close(), bedrock.close()]);
});

/** Runs the clients on a release of Node, with us or without, and gives what they and the vendors saw. */
async function play(
  context: TestContext,
  node: string | undefined,
  mode: "bare" | "metered" | "refused",
  instrumented = false,
): Promise<Played> {
  const cwd = await needApp(context, "http-clients");
  const release = node && join(await needApp(context, node, { scripts: true }), "node_modules/node/bin/node");
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const program = join(cwd, `${process.pid}-clients.mjs`);
  copyFileSync(join(import.meta.dirname, "node-http/clients.mjs"), program);
  const preload = join(cwd, `${process.pid}-instrument.cjs`);
  copyFileSync(join(import.meta.dirname, "node-http/instrument.cjs"), preload);
  answer(model);
  bedrock.play();
  const [collected, seen] = [join(folder, "calls.json"), join(folder, "seen.json")];
  const ours = mode === "bare" ? [] : [url("src/register.ts"), url("test/real/frameworks/collect.mjs")];
  const hosts = [
    { host: model.host, like: "api.openai.com" },
    { host: bedrock.host, provider: "aws.bedrock" },
  ];
  const budgets = mode === "refused" ? [{ name: "none at all", per: "hour", calls: 0 }] : [];
  const strip = node === "node-22" ? ["--experimental-strip-types"] : [];
  try {
    await run(
      release ?? process.execPath,
      [
        "--no-warnings",
        ...strip,
        ...(instrumented ? ["--require", preload] : []),
        ...ours.flatMap((path) => ["--import", path]),
        program,
        mode,
      ],
      {
        cwd,
        env: {
          NODE_ENV: undefined,
          SPENDFUSE_TEST_INDEX: url("src/index.ts"),
          SPENDFUSE_STATE_DIR: folder,
          COLLECTED: collected,
          SPENDFUSE_QUIET: "1",
          SPENDFUSE_CONFIG: JSON.stringify({ hosts, budgets }),
          MODEL_URL: model.url,
          BEDROCK_URL: bedrock.url,
          SEEN: seen,
          ...(instrumented && { ...QUIET, OTEL_TRACES_EXPORTER: "none" }),
        },
      },
    );
    return {
      seen: JSON.parse(readFileSync(seen, "utf8")),
      calls: mode === "bare" ? [] : JSON.parse(readFileSync(collected, "utf8")),
      requests: model.visits.length + bedrock.visits.length,
    };
  } finally {
    for (const path of [program, preload]) rmSync(path, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

const NODES = [
  ["Node 22.15", "node-22"],
  ["Node 24", "node-24"],
  [`Node ${process.version}`, undefined],
] as const;

describe.each(NODES)("clients of node:http and node:http2 on %s", (name, node) => {
  test("see what they see without us, and are metered once each", async (context) => {
    const bare = await play(context, node, "bare");
    const ours = await play(context, node, "metered");
    expect(ours.seen).toEqual(bare.seen);
    expect(Object.entries(bare.seen).filter(([, { error }]) => error !== undefined)).toEqual([]);
    const made = Object.keys(ours.seen).length;
    const isRight = ({ ending, usage, provider }: Played["calls"][number]): boolean => {
      const { input, output } = provider === "openai" ? METERED : BEDROCK_USAGE;
      const got = usage as { readonly input?: number; readonly output?: number } | undefined;
      return ending === "canceled" || (ending === "completed" && got?.input === input && got.output === output);
    };
    const right = ours.calls.filter(isRight);
    console.log(`${name}: ${right.length} of ${made} calls metered, as without us`);
    expect(ours.calls.filter((call) => !isRight(call))).toEqual([]);
    expect(ours.requests).toBe(made);
    expect(ours.calls).toHaveLength(made);
    expect(right).toHaveLength(made);
  });

  test("raise their own error for a refusal, once, of which nothing is sent", async (context) => {
    const { seen, calls, requests } = await play(context, node, "refused");
    const made = Object.keys(seen).length;
    const blocked = calls.filter(({ ending }) => ending === "blocked");
    console.log(`${name}: ${blocked.length} of ${made} calls refused, ${requests} requests sent`);
    expect(blocked).toHaveLength(made);
    expect(calls).toHaveLength(made);
    expect(requests).toBe(0);
  });
});

test("beside dd-trace and OpenTelemetry's instrumentations each call is one record", async (context) => {
  const bare = await play(context, undefined, "bare", true);
  const ours = await play(context, undefined, "metered", true);
  expect(ours.seen).toEqual(bare.seen);
  const made = Object.keys(ours.seen).length;
  console.log(`with instrumentations: ${ours.calls.length} records of ${made} calls`);
  expect(ours.requests).toBe(made);
  expect(ours.calls).toHaveLength(made);
  expect(ours.calls.filter(({ ending }) => ending !== "completed" && ending !== "canceled")).toEqual([]);
});
