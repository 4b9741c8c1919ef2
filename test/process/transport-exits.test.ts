import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { entryUrl } from "../entries.ts";
import { startNext, untilArrived } from "../package/leftovers.ts";
import * as wire from "../servers/formats.ts";
import { type ModelServer, type Script, startModelServer } from "../servers/model-server.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";
import { startWebSocketServer, type WebSocketServer } from "../servers/websocket-server.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");
const TRANSPORTS = [
  ...["fetch", "node-http", "http2", "undici"],
  ...["websocket of ws", "websocket of Node", "child-process"],
] as const;
const WAYS = {
  "read to its end": "completed",
  "broken off": "canceled",
  "process.exit": "canceled",
  "process.exit from a listener": "canceled",
  SIGTERM: "canceled",
  SIGINT: "canceled",
  "SIGTERM with a listener": "canceled",
  "uncaught error": "canceled",
  "unhandled rejection": "canceled",
} as const;

/** A third of the rows, each transport and each way among them; all with a scale. */
const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
const isTried = (transport: number, way: number): boolean => SCALE > 1 || (transport + way) % 3 === 0;

const ORIGIN = { id: "c", model: "gpt-5-mini" };
const CHAT = [
  wire.chatDelta(ORIGIN, { role: "assistant", content: "Hello" }),
  wire.chatDelta(ORIGIN, {}, {}, "stop"),
  wire.chatChunk(ORIGIN, [], { usage: wire.chatUsage({ input: 100, output: 7 }) }),
  wire.DONE,
];
const MESSAGE = wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], null, {
  input_tokens: 100,
  output_tokens: 1,
});
const MESSAGES = [wire.messageStart(MESSAGE), wire.messageDelta({ output_tokens: 7 }), wire.MESSAGE_STOP];

let model: ModelServer;
let http2: Http2Server;
let sockets: WebSocketServer;
let receiver: OtlpReceiver;
let folder: string;

beforeAll(async () => {
  [model, sockets, receiver] = await Promise.all([startModelServer(), startWebSocketServer(), startOtlpReceiver()]);
  model.play(({ path, body }): Script => {
    const isWhole = path.startsWith("/whole") || body.includes('"whole"');
    const steps = path.endsWith("/messages") ? MESSAGES : CHAT;
    return wire.streamed(...(isWhole ? steps : [steps[0] as string, "hang"]));
  });
  http2 = createServer();
  http2.on("sessionError", () => {});
  http2.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    stream.resume().on("end", () => {
      stream.respond({ ":status": 200, "content-type": "text/event-stream" });
      if (String(headers[":path"]).startsWith("/whole")) stream.end(CHAT.join(""));
      else stream.write(CHAT[0]);
    });
  });
  await new Promise<void>((resolve) => http2.listen(0, "127.0.0.1", resolve));
  folder = mkdtempSync(join(tmpdir(), "spendfuse-exits-"));
  const script = join(FIXTURES, "streaming-program.mjs");
  writeFileSync(join(folder, "claude"), `#!/bin/sh\nexec "${process.execPath}" "${script}" "$@"\n`);
  chmodSync(join(folder, "claude"), 0o755);
});
afterAll(async () => {
  http2.close();
  await Promise.all([model.close(), sockets.close(), receiver.close()]);
  rmSync(folder, { recursive: true, force: true });
});

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From `ready` to its end. */
  readonly ms: number;
}

/** Runs the app to its end, which a signal brings where the way is named for one. */
function run(
  transport: string,
  way: string,
  env: Readonly<Record<string, string>>,
  ours: readonly string[],
): Promise<End> {
  const { PATH = "", NODE_COMPILE_CACHE = "" } = process.env;
  const args = ["--no-warnings", ...ours, join(FIXTURES, "transport-exit-app.mjs"), transport, way];
  const child = spawn(process.execPath, args, {
    env: {
      ...{ PATH, NODE_COMPILE_CACHE, HTTP: model.url, SOCKETS: sockets.url, PROGRAM: join(folder, "claude") },
      HTTP2: `http://127.0.0.1:${(http2.address() as AddressInfo).port}`,
      ...env,
    },
  });
  const seen = { stdout: "", stderr: "", ready: 0 };
  child.stdout.on("data", (data) => {
    seen.stdout += data;
    if (seen.ready > 0 || !seen.stdout.includes("ready\n")) return;
    seen.ready = performance.now();
    const [signal] = way.split(" ");
    if (signal?.startsWith("SIG")) child.kill(signal as NodeJS.Signals);
  });
  child.stderr.on("data", (data) => {
    seen.stderr += data;
  });
  return new Promise((resolve) => {
    child.on("exit", (code, signal) => {
      const ms = performance.now() - seen.ready;
      child.on("close", () => resolve({ code, signal, stdout: seen.stdout, stderr: seen.stderr, ms }));
    });
  });
}

const withoutOurs = (stderr: string): string => stderr.replace(/^spendfuse: .*\n/gm, "");

/** What the metrics say of the calls of a process, by its `service.name`. */
function callsOf(service: string): readonly string[] {
  return receiver
    .points("spendfuse.calls")
    .filter(({ resource }) => resource["service.name"] === service)
    .flatMap(({ tags, value }) => Array.from({ length: value }, () => tags.ending as string));
}

describe.each(TRANSPORTS.map((transport, index) => [transport, index] as const))(
  "%s: a process ends with us as without us, and its call is settled once",
  (transport, index) => {
    const ways = Object.entries(WAYS).filter((_, way) => isTried(index, way));
    test.each(ways)("%s", async (way, ending) => {
      const service = `${transport} ${way}`;
      const stateDir = mkdtempSync(join(folder, "state-"));
      const hosts = [model.host, sockets.host, `127.0.0.1:${(http2.address() as AddressInfo).port}`];
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_SERVICE_NAME: service,
        SPENDFUSE_STATE_DIR: stateDir,
        SPENDFUSE_QUIET: "1",
        SPENDFUSE_CONFIG: JSON.stringify({
          hosts: hosts.map((host) => ({ host, like: "api.openai.com" })),
          proxy: { upstreams: { anthropic: model.url } },
        }),
      };
      const [bare, ours] = await Promise.all([
        run(transport, way, { ANTHROPIC_BASE_URL: model.url }, []),
        run(transport, way, env, ["--import", entryUrl("register")]),
      ]);
      expect({ ...ours, stderr: withoutOurs(ours.stderr), ms: 0 }).toEqual({ ...bare, ms: 0 });
      await untilArrived(
        stateDir,
        () => callsOf(service).length > 0,
        () => startNext(env),
      );
      console.log(`${service}: ended after ${bare.ms.toFixed(0)} ms, with us ${ours.ms.toFixed(0)} ms`);
      expect(callsOf(service)).toEqual([ending]);
    });
  },
);
