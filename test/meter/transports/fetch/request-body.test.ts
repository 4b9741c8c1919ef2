import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../../../src/process/runtime.ts";

const MIB = 1024 * 1024;
const native = globalThis.fetch;

let server: Server;
let url: string;
let runtime: Runtime;

beforeAll(async () => {
  // It reads no body.
  server = createServer((request) => request.pause());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  url = `http://${host}/v1/chat/completions`;
  runtime = createRuntime(() => {});
  await runtime.start({ telemetry: false, env: {}, config: { hosts: [{ host, like: "api.openai.com" }] } });
});
afterAll(async () => {
  server.closeAllConnections();
  await runtime.stop();
  await new Promise((resolve) => server.close(resolve));
});

type Send = (fetch: typeof native, body: ReadableStream, signal: AbortSignal) => Promise<Response>;
const init = (body: ReadableStream) => ({ method: "POST", body, duplex: "half" }) as RequestInit;
const WAYS: Readonly<Record<string, Send>> = {
  "a body of options": (fetch, body, signal) => fetch(url, { ...init(body), signal }),
  "a body of a request": (fetch, body, signal) => fetch(new Request(url, init(body)), { signal }),
};

describe.each(Object.entries(WAYS))("%s", (_, send) => {
  async function taken(fetch: typeof native): Promise<number> {
    let bytes = 0;
    const body = new ReadableStream({
      pull(controller) {
        bytes += 64 * 1024;
        if (bytes > 200 * MIB) controller.close();
        else controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const controller = new AbortController();
    const answer = send(fetch, body, controller.signal).catch(() => {});
    await wait(600);
    controller.abort();
    await answer;
    return bytes;
  }

  test("that its server does not read is not taken from the caller", async () => {
    const bare = await taken(native);
    expect(bare).toBeLessThan(30 * MIB);
    // Read ahead for what it says is at most 1 MiB.
    expect(await taken(runtime.wrapFetch(native))).toBeLessThan(bare + 4 * MIB);
  });

  test("whose stream fails rejects with the caller's error, which is no fault of ours", async () => {
    const failing = () =>
      new ReadableStream({
        pull(controller) {
          controller.error(new RangeError("mine"));
        },
      });
    const errorOf = (fetch: typeof native) =>
      send(fetch, failing(), new AbortController().signal).then(
        () => "none",
        (error: Error) => [error.name, error.message, (error.cause as Error | undefined)?.message],
      );
    expect(await errorOf(runtime.wrapFetch(native))).toEqual(await errorOf(native));
    await wait(10);
    expect([...runtime.faults.counts()]).toEqual([]);
  });
});
