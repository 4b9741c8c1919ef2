import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConfigFile, flush, start, stop } from "../../src/index.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { checkCalls, checkUnnoticed, RATES } from "./check.ts";
import type { Ending, Kind } from "./endings.ts";
import { STREAM_ENDINGS } from "./endings-stream.ts";
import { WHOLE_ENDINGS } from "./endings-whole.ts";
import { collectCalls, collecting, type Row, run } from "./row.ts";
import type { HostKind, Shape } from "./shape.ts";
import { aiShapes } from "./shapes-ai.ts";
import { anthropicShapes } from "./shapes-anthropic.ts";
import { googleShapes } from "./shapes-google.ts";
import { langchainShapes } from "./shapes-langchain.ts";
import { openaiChatStreams } from "./shapes-openai-chat.ts";
import { openaiResponsesStreams } from "./shapes-openai-responses.ts";
import { openaiWholes } from "./shapes-openai-whole.ts";

const SHAPES: readonly Shape[] = [
  ...openaiChatStreams,
  ...openaiResponsesStreams,
  ...openaiWholes,
  ...anthropicShapes,
  ...googleShapes,
  ...aiShapes,
  ...langchainShapes,
];

/** Endings that are also tried with the vendors' own bodies, where they are there. */
const AS_RECORDED = new Set(["completed, in small pieces", "abort signal", "abort signal inside the body"]);

/** By default every other ending of a shape, in turn, so that each shape and each ending is there; a long run has all. */
const isTried = (shape: number, ending: number): boolean => SCALE > 1 || (shape + ending) % 2 === 0;
const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);

const ROWS: readonly Row[] = SHAPES.flatMap((shape, at) => {
  const endings = (shape.kind === "stream" ? STREAM_ENDINGS : WHOLE_ENDINGS)
    .map((ending) => ending as Row["ending"])
    .filter((ending, index) => fits(shape, ending) && isTried(at, index));
  const recorded = shape.body.recorded?.() as Row["body"] | undefined;
  return [
    ...endings.map((ending) => rowOf(shape, ending, shape.body.madeUp() as Row["body"])),
    ...endings
      .filter(({ name }) => recorded && AS_RECORDED.has(name))
      .map((ending) => rowOf(shape, ending, recorded as Row["body"], ", as recorded")),
  ];
});

function rowOf(shape: Shape, ending: Row["ending"], body: Row["body"], more = ""): Row {
  return { name: `${shape.name}: ${ending.name}${more}`, shape, ending, body };
}

function fits(shape: Shape, ending: Ending<never>): boolean {
  return !shape.never?.includes(ending.kind as Kind) && ending.fits?.(shape) !== false;
}

/** The caller has left, and not only dropped what it read. */
function isPrompt({ ending, shape }: Row): boolean {
  return (
    ending.leaves === true && ending.act !== undefined && !(ending.act === "break" && shape.breakLingers !== undefined)
  );
}

/** How each server is known to the meter. */
const LIKE: Readonly<Record<Exclude<HostKind, "unknown">, string>> = {
  openai: "api.openai.com",
  azure: "mine.openai.azure.com",
  anthropic: "api.anthropic.com",
  google: "generativelanguage.googleapis.com",
};

/** How soon the server sees that the caller is gone, in milliseconds. */
const AT_ONCE = 500;

describe("SDK rows", () => {
  const servers = {} as Record<HostKind, ModelServer>;
  const calls = collectCalls();
  const expected = new Map<string, number>();
  let right = 0;
  let config: ConfigFile;

  beforeAll(async () => {
    setFlagsFromString("--expose-gc");
    globalThis.gc ??= runInNewContext("gc") as NonNullable<typeof globalThis.gc>;
    for (const kind of ["openai", "unknown", "azure", "anthropic", "google"] as const) {
      servers[kind] = await startModelServer();
    }
    const hosts = Object.entries(LIKE).map(([kind, like]) => ({ host: servers[kind as HostKind].host, like }));
    const models = new Set(ROWS.map(({ body }) => body.model));
    config = { hosts, prices: [...models].map((model) => ({ model, ...RATES })) };
  });

  afterAll(async () => {
    await stop();
    for (const server of Object.values(servers)) await server.close();
    console.log(`SDK rows: ${right} of ${ROWS.length}`);
  });

  test.each(ROWS.map((row, index) => [row.name, row, index] as const))("%s", async (_name, row, index) => {
    const server = servers[row.shape.host];
    const bare = await run(row, server, `row-${index}`).catch((error: Error) => {
      throw new Error(`without us: ${error.message}`);
    });
    server.drop();

    await start({ telemetry: false, config, env: {} });
    try {
      const metered = await run(row, server, `row-${index}`);
      const { agent } = metered;
      expected.set(agent, row.ending.calls.length);
      if (row.ending.act === "break" && row.shape.breakLingers === "held") await flush();
      const settled = calls.until(agent, row.ending.calls.length);
      const { act } = row.ending;
      const collects = act === "leave" || (act === "break" && row.shape.breakLingers === "collected");
      await (collects ? collecting(settled) : settled);
      checkUnnoticed(row, bare, metered);
      if (isPrompt(row)) expect(metered.over!.at - metered.actedAt).toBeLessThan(AT_ONCE);
      checkCalls(row, calls.of(agent), metered.visits, agent);
    } finally {
      await stop();
      server.drop();
    }
    right += 1;
  });

  test("no call settled twice", async () => {
    for (let turn = 0; turn < 10; turn++) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const [agent, count] of expected) expect([agent, calls.of(agent).length]).toEqual([agent, count]);
  });
});
