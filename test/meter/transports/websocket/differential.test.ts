import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket as WsSocket } from "ws";
import { createRuntime, type Runtime } from "../../../../src/process/runtime.ts";
import { createRandom } from "../../../random.ts";
import { startWebSocketServer, type WebSocketServer } from "../../../servers/websocket-server.ts";
import { LIBRARIES, textOf } from "./clients.ts";

const PATH = "/v1/realtime?model=gpt-realtime";

let server: WebSocketServer;

beforeAll(async () => {
  server = await startWebSocketServer({ perMessageDeflate: { threshold: 0 } });
});

afterAll(() => server.close());

type Program = (socket: WebSocket, log: (line: string) => void) => Promise<void> | void;

/** Runs a program on a socket, with or without the hook, and gives what it saw. */
async function watch(library: () => typeof WebSocket, program: Program, metered: boolean): Promise<string[]> {
  let runtime: Runtime | undefined;
  if (metered) {
    runtime = createRuntime(() => {});
    const hosts = [{ host: server.host, like: "api.openai.com" }];
    await runtime.start({ telemetry: false, env: {}, config: { hosts } as never });
  }
  const seen: string[] = [];
  try {
    const socket = new (library())(`${server.url}${PATH}`);
    const reading: Promise<unknown>[] = [];
    const closed = new Promise<void>((resolve) => {
      socket.addEventListener("open", () => seen.push(`open ${socket.extensions}`));
      socket.addEventListener("message", (event) => {
        const at = seen.push("message") - 1;
        const kind = (event.data as object).constructor.name;
        reading.push(
          textOf(event.data).then((text) => {
            seen[at] = `message ${kind} ${event.origin} ${normal(text)}`;
          }),
        );
      });
      socket.addEventListener("error", (event) => seen.push(`error ${(event as ErrorEvent).message}`));
      socket.addEventListener("close", ({ code, reason, wasClean }) => {
        seen.push(`close ${code} ${reason} ${wasClean}`);
        resolve();
      });
    });
    await program(socket, (line) => seen.push(line));
    await closed;
    await Promise.all(reading);
    expect(runtime?.faults.counts() ?? new Map()).toEqual(new Map());
    return seen;
  } finally {
    await runtime?.stop();
  }
}

const normal = (text: string): string => text.replace(/resp_\d+/g, "resp_N");
const opened = (socket: WebSocket): Promise<unknown> =>
  new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
const message = (socket: WebSocket, text: string): Promise<void> =>
  new Promise((resolve) => {
    const look = async ({ data }: MessageEvent): Promise<void> => {
      if (!(await textOf(data)).includes(text)) return;
      socket.removeEventListener("message", look);
      resolve();
    };
    socket.addEventListener("message", look);
  });

const PROGRAMS: Readonly<Record<string, Program>> = {
  async "a response, then a close with a code"(socket) {
    await opened(socket);
    const done = message(socket, "response.done");
    socket.send('{"type":"response.create"}');
    await done;
    socket.close(3000, "bye");
  },
  async "what is no JSON, and binary data of each kind"(socket, log) {
    await opened(socket);
    const done = message(socket, "last");
    socket.send("not json {");
    socket.send("");
    socket.send('{"type":');
    socket.send(Buffer.from([1, 2, 3]));
    socket.send(new Uint8Array([123, 125, 9]));
    socket.send(new Uint8Array([9, 9]).buffer);
    log(`buffered ${socket.bufferedAmount > 0}`);
    socket.send("last");
    await done;
    socket.close();
  },
  async "array buffers"(socket) {
    socket.binaryType = "arraybuffer";
    await opened(socket);
    const done = message(socket, "last");
    socket.send(Buffer.from([1, 2, 3]));
    socket.send("last");
    await done;
    socket.close();
  },
  "a send before it is open"(socket, log) {
    try {
      socket.send("x");
    } catch (error) {
      log(`threw ${(error as Error).name} ${(error as Error).message}`);
    }
    socket.addEventListener("open", () => socket.close());
  },
  async "a send after the close"(socket, log) {
    await opened(socket);
    socket.close();
    socket.send('{"type":"response.create"}');
    log(`state ${socket.readyState}`);
  },
  async "the server cuts the connection"(socket) {
    await opened(socket);
    server.cuts = true;
    socket.send('{"type":"response.create"}');
  },
  async "wrong arguments"(socket, log) {
    await opened(socket);
    for (const args of [[], [999], [3000, "x".repeat(200)]]) {
      try {
        (socket.close as (...all: unknown[]) => void)(...(args.length === 0 ? [1] : args));
      } catch (error) {
        log(`threw ${(error as Error).name} ${(error as Error).message}`);
      }
    }
    socket.close();
  },
};

beforeEach(() => {
  server.cuts = false;
});
afterEach(() => {
  server.cuts = false;
});

describe.for(Object.entries(LIBRARIES))("%s", ([, library]) => {
  test.for(Object.entries(PROGRAMS))("sees the same: %s", async ([, program]) => {
    const bare = await watch(library, program, false);
    server.cuts = false;
    const metered = await watch(library, program, true);
    expect(metered).toEqual(bare);
    expect(bare.length).toBeGreaterThan(1);
  });
});

describe("frames that are cut, malformed, oversized or coded", () => {
  const next = createRandom(7);
  const upTo = (most: number): number => Math.floor(next() * most);
  const PIECES = [
    '{"type":"response.done","response":',
    '{"type":"response.created"',
    "\u00e9\u6f22",
    "{}",
    "[[[",
    '"usage":',
    "\0",
  ];

  /** What one server sends, byte for byte the same for both runs. */
  function frames(): Buffer[] {
    return Array.from({ length: 1 + upTo(6) }, () => {
      const payload = Buffer.from(Array.from({ length: upTo(5) }, () => PIECES[upTo(PIECES.length)]).join(""));
      const head = Buffer.from([
        upTo(5) === 0 ? upTo(256) : 0x81,
        upTo(8) === 0 ? upTo(256) : Math.min(payload.length, 125),
      ]);
      const frame = Buffer.concat([head, payload]);
      return upTo(6) === 0 ? frame.subarray(0, upTo(frame.length)) : frame;
    });
  }

  test.for(Object.entries(LIBRARIES))("%s sees what it sees without us", async ([, library]) => {
    let same = 0;
    const rounds = 60;
    for (let round = 0; round < rounds; round += 1) {
      const sent = frames();
      const program: Program = async (socket) => {
        await opened(socket);
        const [client] = server.sockets;
        const { _socket: raw } = client as unknown as { _socket: { write(data: Buffer): void; end(): void } };
        for (const frame of sent) raw.write(frame);
        raw.end();
      };
      const bare = await watch(library, program, false);
      const metered = await watch(library, program, true);
      expect(metered).toEqual(bare);
      same += 1;
    }
    console.log(`${same} of ${rounds} broken streams as without us`);
  });
});

describe("what a user can see of the library", () => {
  test("its class and its instances look the same", async () => {
    const shown = (): unknown => {
      const own = globalThis.WebSocket;
      const shape = (target: object) =>
        Reflect.ownKeys(target).map((key) => {
          const { value, ...rest } = Object.getOwnPropertyDescriptor(target, key) as PropertyDescriptor;
          const { name, length } = (typeof value === "function" ? value : {}) as { name?: string; length?: number };
          return [String(key), Object.keys(rest), name, length];
        });
      return [shape(own), shape(own.prototype), own.name, own.length, own.prototype.constructor === own];
    };
    const before = shown();
    const beforeClass = globalThis.WebSocket;
    const runtime = createRuntime(() => {});
    const hosts = [{ host: server.host, like: "api.openai.com" }];
    await runtime.start({ telemetry: false, env: {}, config: { hosts } as never });
    const socket = new WebSocket(`${server.url}${PATH}`);
    await opened(socket);
    expect(shown()).toEqual(before);
    expect(globalThis.WebSocket).toBe(beforeClass);
    expect(Object.keys(socket)).toEqual([]);
    const ws = new WsSocket(`${server.url}${PATH}`);
    const bareKeys = Object.keys(ws);
    await new Promise((resolve) => ws.on("open", resolve));
    expect(Object.keys(ws)).toEqual(bareKeys);
    expect(ws.listenerCount("message")).toBe(0);
    expect(ws instanceof WsSocket).toBe(true);
    expect([ws.send.name, ws.send.length, ws.emit.name]).toEqual(["send", WsSocket.prototype.send.length, "emit"]);
    ws.terminate();
    socket.close();
    const { send } = WebSocket.prototype;
    await runtime.stop();
    expect(WebSocket.prototype.send).not.toBe(send);
    expect(Object.getPrototypeOf(WebSocket.prototype)).toBe(EventTarget.prototype);
  });
});
