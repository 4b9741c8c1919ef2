import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedPython } from "../../test/apps/python.ts";
import * as wire from "../../test/servers/formats.ts";
import { startLitellm } from "../../test/servers/litellm-proxy.ts";
import { median } from "../race.ts";

/**
 * Milliseconds that a proxy adds to a whole answer and to a stream of 50 chunks, as the client sees it, and that it
 * computes for one, ours and LiteLLM's in turn with direct calls: `[[whole, stream, CPU of whole, of stream] of ours, of
 * LiteLLM's]`. Each proxy is a process of its own; the vendor is in this one, so that all three wait for it alike.
 */
const WARM_UP = 60;
const TURNS = 200;
const CHUNKS = 50;
const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const ORIGIN = { id: "chatcmpl-1", model: "gpt-5-mini" };
const USAGE = wire.chatUsage({ input: 100, output: CHUNKS });
const WHOLE = JSON.stringify(wire.chatCompletion(ORIGIN, { content: "Hello" }, USAGE));
const FRAMES = [
  ...Array.from({ length: CHUNKS }, () => wire.chatDelta(ORIGIN, { content: "word " })),
  wire.chatDelta(ORIGIN, {}, {}, "stop"),
  wire.chatChunk(ORIGIN, [], { usage: USAGE }),
  wire.DONE,
];

const vendor = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (!/"stream": ?true/.test(body)) return void response.setHeader("content-type", "application/json").end(WHOLE);
  response.writeHead(200, wire.SSE);
  for (const frame of FRAMES) {
    response.write(frame);
    await new Promise(setImmediate);
  }
  response.end();
});
await once(vendor.listen(0, "127.0.0.1"), "listening");
const host = `127.0.0.1:${(vendor.address() as AddressInfo).port}`;
const folder = mkdtempSync(join(tmpdir(), "spendfuse-bench-"));

const config = {
  hosts: [{ host, like: "api.openai.com" }],
  budgets: [{ scope: { agent: "*" }, per: "hour", usd: 1_000 }],
  proxy: { upstreams: { openai: `http://${host}/v1` } },
};
const ours = spawn(process.execPath, [MAIN, "proxy", "--port", "0", "--agent", "bench"], {
  env: { ...process.env, SPENDFUSE_CONFIG: JSON.stringify(config), SPENDFUSE_STATE_DIR: join(folder, "state") },
  stdio: ["ignore", "pipe", "ignore"],
});
const [printed] = (await once(ours.stdout, "data")) as [Buffer];
const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(printed))?.[0] as string;
const litellm = await startLitellm(await installedPython("litellm"), folder, {
  model_list: [
    {
      model_name: "gpt-5-mini",
      litellm_params: { model: "openai/gpt-5-mini", api_key: "k", api_base: `http://${host}/v1` },
    },
  ],
});

interface Way {
  readonly url: string;
  readonly key: string;
}

const WAYS: readonly Way[] = [
  { url: `http://${host}/v1`, key: "k" },
  { url: `${url}/openai/v1`, key: "k" },
  { url: `${litellm.url}/v1`, key: litellm.key },
];

/** Milliseconds until the whole answer is there. */
async function time({ url: base, key }: Way, stream: boolean): Promise<number> {
  const more = stream ? { stream, stream_options: { include_usage: true } } : {};
  const body = JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Hello" }], ...more });
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const start = performance.now();
  const answer = await fetch(`${base}/chat/completions`, { method: "POST", headers, body });
  const text = await answer.text();
  const taken = performance.now() - start;
  if (answer.status !== 200 || !text.includes("usage")) throw new Error(`${base} answered ${answer.status}: ${text}`);
  return taken;
}

/** Milliseconds that a process has computed so far; NaN where the system does not tell. */
function cpuOf(pid: number): number {
  try {
    // After the name, which may have blanks: user and system time are the 12th and 13th, in hundredths of a second.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

const PIDS = [ours.pid as number, litellm.pid];

/** Medians of all ways, and the CPU of each proxy for one answer. */
async function measure(
  stream: boolean,
): Promise<{ readonly taken: readonly number[]; readonly cpu: readonly number[] }> {
  const times = WAYS.map((): number[] => []);
  let before: readonly number[] = [];
  for (let turn = -WARM_UP; turn < TURNS; turn++) {
    if (turn === 0) before = PIDS.map(cpuOf);
    for (let step = 0; step < WAYS.length; step++) {
      // Each way comes first in every third turn.
      const at = (turn + WARM_UP + step) % WAYS.length;
      const taken = await time(WAYS[at] as Way, stream);
      if (turn >= 0) times[at]?.push(taken);
    }
  }
  const cpu = PIDS.map((pid, at) => (cpuOf(pid) - (before[at] as number)) / TURNS);
  return { taken: times.map(median), cpu };
}

const whole = await measure(false);
const streams = await measure(true);
const added = [1, 2].map((way) => [
  ...[whole, streams].map(({ taken }) => (taken[way] as number) - (taken[0] as number)),
  ...[whole, streams].map(({ cpu }) => cpu[way - 1] as number),
]);

ours.kill("SIGTERM");
await Promise.all([once(ours, "close"), litellm.stop()]);
vendor.close();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(JSON.stringify(added), () => process.exit());
