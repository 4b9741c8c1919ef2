import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { entryPath } from "../entries.ts";
import { eventually } from "../eventually.ts";
import { connect, LIBRARIES } from "../meter/transports/websocket/clients.ts";
import * as wire from "../servers/formats.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { startStage } from "./stage.ts";

const MAIN = entryPath("cli/main");
const ORIGIN = { id: "chatcmpl-1", model: "gpt-5-mini" };
const CHAT = { model: "gpt-5-mini", stream: true, messages: [{ role: "user", content: "Hello" }] };
const FRAMES = ["Hel", "lo"].map((content) => wire.chatDelta(ORIGIN, { content }));
const USAGE = wire.chatChunk(ORIGIN, [], { usage: wire.chatUsage({ input: 7, output: 2 }) });

let vendor: ModelServer;
let folder: string;
let children: ChildProcess[] = [];

beforeEach(async () => {
  // Begins to answer each message, and never ends.
  vendor = await startModelServer(() => [
    JSON.stringify({ type: "response.created", response: { id: "resp_1", object: "response", status: "in_progress" } }),
  ]);
  folder = mkdtempSync(join(tmpdir(), "spendfuse-outages-"));
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  await vendor.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function start(args: readonly string[], stdio: "pipe" | "ignore" = "pipe"): ChildProcess {
  const config = {
    hosts: [{ host: vendor.host, like: "api.openai.com" }],
    proxy: { upstreams: { openai: `${vendor.url}/v1` } },
  };
  const own = { HOME: folder, SPENDFUSE_STATE_DIR: join(folder, "state"), SPENDFUSE_CONFIG: JSON.stringify(config) };
  const env = { PATH: process.env.PATH, SPENDFUSE_QUIET: "1", ...own };
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ["ignore", stdio, stdio] });
  children.push(child);
  return child;
}

/** `spendfuse proxy` as a process of its own. */
async function startProxyProcess(port = 0): Promise<{ child: ChildProcess; url: string; calls: () => SettledCall[] }> {
  const file = join(folder, "calls.jsonl");
  const child = start([MAIN, "proxy", "--port", String(port), "--calls", file]);
  const [line] = (await once(child.stdout as NonNullable<ChildProcess["stdout"]>, "data")) as [Buffer];
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(line))?.[0] as string;
  const calls = (): SettledCall[] =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((row) => row !== "")
      .map((row) => JSON.parse(row) as SettledCall);
  return { child, url, calls };
}

function ask(url: string, agent = "a"): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(`${url}/agent/${agent}/openai/v1/chat/completions`, {
    ...{ method: "POST", headers, body: JSON.stringify(CHAT) },
  });
}

/** Reads until a stream has begun. */
async function begin(answer: Response): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  return reader;
}

test("a child killed in the middle of a stream: it ends at the vendor, with one record", {
  timeout: 120_000,
}, async () => {
  vendor.play(wire.streamed(...FRAMES, "hang"));
  const { url, calls } = await startProxyProcess();
  const code = `const a = await fetch("${url}/openai/v1/chat/completions", { method: "POST",
    headers: { "content-type": "application/json" }, body: ${JSON.stringify(JSON.stringify(CHAT))} });
    const reader = a.body.getReader(); await reader.read(); console.log("reading"); await new Promise(() => setInterval(() => {}, 1e6));`;
  const child = start(["--input-type=module", "-e", code]);
  await once(child.stdout as NonNullable<ChildProcess["stdout"]>, "data");
  child.kill("SIGKILL");
  expect((await (await vendor.visit(0)).over).by).toBe("client");
  await eventually(() => expect(calls()).toMatchObject([{ ending: "canceled", quality: "estimated" }]));
});

test("the proxy stopped in the middle of streams: all end, each has its record, and it is gone", {
  timeout: 120_000,
}, async () => {
  vendor.play(wire.streamed(...FRAMES, "hang"));
  const { child, url, calls } = await startProxyProcess();
  const reader = await begin(await ask(url));
  const socket = connect(LIBRARIES.ws as never, `${url.replace("http", "ws")}/agent/b/openai/v1/responses`);
  await socket.until("open");
  socket.send({ type: "response.create", model: "gpt-5.1", input: "Hi" });
  await socket.until("response.created");
  const begun = performance.now();
  child.kill("SIGTERM");
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(0);
  expect(performance.now() - begun).toBeLessThan(10_000);
  await expect(reader.read().then(() => reader.read())).rejects.toThrow();
  await socket.until("close 1006");
  expect((await (await vendor.visit(0)).over).by).toBe("client");
  const records = calls().map(({ scope, ending }) => [scope.agent, ending]);
  expect(records.sort()).toEqual([
    ["a", "canceled"],
    ["b", "canceled"],
  ]);
});

test("the proxy killed: clients and vendor see the end at once, and another takes its port", {
  timeout: 120_000,
}, async () => {
  vendor.play(({ headers }) => wire.streamed(...FRAMES, headers["x-first"] === "1" ? "hang" : "", USAGE, wire.DONE));
  const { child, url } = await startProxyProcess();
  const held = await fetch(`${url}/openai/v1/chat/completions`, {
    ...{ method: "POST", body: JSON.stringify(CHAT) },
    headers: { "content-type": "application/json", "x-first": "1" },
  });
  const reader = await begin(held);
  child.kill("SIGKILL");
  await expect(reader.read().then(() => reader.read())).rejects.toThrow();
  expect((await (await vendor.visit(0)).over).by).toBe("client");
  const next = await startProxyProcess(Number(new URL(url).port));
  expect(next.url).toBe(url);
  expect(await (await ask(url)).text()).toContain("[DONE]");
  await eventually(() => expect(next.calls()).toMatchObject([{ ending: "completed", usage: { input: 7 } }]));
});

test("a program that outlives its run is not waited for, and does not reach the vendor past the meter", {
  timeout: 120_000,
}, async () => {
  vendor.play(wire.streamed(...FRAMES, USAGE, wire.DONE));
  const late = join(folder, "late.txt");
  const outliving = `import { writeFileSync } from "node:fs"; await new Promise((resolve) => setTimeout(resolve, 1500));
    const says = await fetch(process.env.OPENAI_BASE_URL + "/models").then(({ status }) => String(status), (error) => error.cause.code);
    writeFileSync(${JSON.stringify(late)}, says);`;
  const parent = `import { spawn } from "node:child_process";
    spawn(process.execPath, ["--input-type=module", "-e", ${JSON.stringify(outliving)}], { detached: true, stdio: "ignore" }).unref();`;
  const run = start([MAIN, "run", "--", process.execPath, "--input-type=module", "-e", parent], "ignore");
  const [code] = (await once(run, "close")) as [number];
  expect(code).toBe(0);
  expect(() => readFileSync(late)).toThrow();
  await eventually(() => expect(readFileSync(late, "utf8")).toBe("ECONNREFUSED"));
  expect(vendor.visits).toEqual([]);
});

test("fifty children at once have what they have without it, and a record each", { timeout: 120_000 }, async () => {
  vendor.play(wire.streamed(...FRAMES, USAGE, wire.DONE));
  const { url, calls } = await startProxyProcess();
  const texts = await Promise.all(Array.from({ length: 50 }, async (_, n) => (await ask(url, `a${n}`)).text()));
  // The proxy asked for usage that the clients did not ask for, and does not show it.
  expect(new Set(texts)).toEqual(new Set([FRAMES.join("") + wire.DONE]));
  await eventually(() => expect(calls()).toHaveLength(50));
  expect(new Set(calls().map(({ scope }) => scope.agent)).size).toBe(50);
});

describe("a metered stream of 20 MB for a slow reader", () => {
  test("is equal, is not kept, and has one record", { timeout: 120_000 }, async () => {
    const frames = Array.from({ length: 400 }, (_, n) =>
      wire.chatDelta(ORIGIN, { content: `${n} `.repeat(16 * 1024) }),
    );
    const bytes = Buffer.from([...frames, USAGE, wire.DONE].join(""));
    expect(bytes.length).toBeGreaterThan(20 * 1024 * 1024);
    let sent = 0;
    const server = createServer((_request, response) => {
      response.writeHead(200, wire.SSE);
      const send = (): void => {
        while (sent < bytes.length) {
          const part = bytes.subarray(sent, sent + 100_003);
          sent += part.length;
          if (!response.write(part)) return void response.once("drain", send);
        }
        response.end();
      };
      send();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    // The client of this test is not metered itself.
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const stage = await startStage(url, { transportsOff: ["node-http"] });
    try {
      const asked = request(`${stage.proxy.url}/openai/v1/chat/completions`, {
        ...{ method: "POST", headers: { "content-type": "application/json" } },
      });
      asked.end(JSON.stringify({ ...CHAT, stream_options: { include_usage: true } }));
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      let before = -1;
      while (before !== sent) {
        before = sent;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      expect(sent).toBeLessThan(bytes.length);
      expect(stage.settled).toEqual([]);
      const hash = createHash("sha256");
      for await (const chunk of answer) hash.update(chunk as Buffer);
      expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
      expect(stage.settled).toMatchObject([
        { ending: "completed", quality: "reported", usage: { input: 7, output: 2 } },
      ]);
    } finally {
      await stage.close();
      server.close();
    }
  });
});
