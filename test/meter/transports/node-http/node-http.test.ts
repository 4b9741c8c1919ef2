import { errorMonitor } from "node:events";
import { Agent, ClientRequest, createServer, type IncomingMessage, type RequestOptions, request } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isBlocked } from "../../../../src/guard/blocked.ts";
import { nodeFetch } from "../../../fixtures/around-fetch.ts";
import { eventStream, KINDS, METERED, WHOLE } from "../fetch/body/answers.ts";
import { type Switched, startSwitched } from "./metering.ts";

let switched: Switched;
beforeAll(async () => {
  switched = await startSwitched();
});
afterAll(() => switched.stop());

const HEADERS = { "content-type": "application/json", authorization: "Bearer sk-secret" };

type Write = (sent: ClientRequest, body: string) => unknown;

/** The ways in which clients write a request. */
const WAYS: Readonly<Record<string, { readonly options?: (body: string) => RequestOptions; readonly write: Write }>> = {
  "end(text)": { write: (sent, body) => sent.end(body) },
  "end(bytes)": { write: (sent, body) => sent.end(Buffer.from(body)) },
  "end(text, encoding, callback)": { write: (sent, body) => new Promise<void>((done) => sent.end(body, "utf8", done)) },
  "end in another encoding": { write: (sent, body) => sent.end(Buffer.from(body).toString("base64"), "base64") },
  "with its length": {
    options: (body) => ({ headers: { ...HEADERS, "Content-Length": Buffer.byteLength(body) } }),
    write: (sent, body) => sent.end(body),
  },
  "write, then end": {
    write: (sent, body) => {
      sent.write(body);
      sent.end();
    },
  },
  "write with its length, then end": {
    options: (body) => ({
      headers: { ...HEADERS, "Content-Length": Buffer.byteLength(body), "Accept-Encoding": "br" },
    }),
    write: (sent, body) => {
      sent.write(Buffer.from(body));
      sent.end();
    },
  },
  "in pieces": {
    write: async (sent, body) => {
      for (let at = 0; at < body.length; at += 20) {
        await new Promise<void>((done) => setImmediate(done));
        sent.write(body.slice(at, at + 20));
      }
      sent.end();
    },
  },
  piped: { write: (sent, body) => void Readable.from([Buffer.from(body)]).pipe(sent) },
  pipeline: { write: (sent, body) => pipeline(Readable.from([Buffer.from(body)]), sent) },
  "head flushed first": {
    write: (sent, body) => {
      sent.flushHeaders();
      sent.end(body);
    },
  },
  "a list of headers": {
    options: (body) => ({
      headers: [
        "Host",
        switched.server.host,
        ...Object.entries(HEADERS).flat(),
        "Content-Length",
        String(Buffer.byteLength(body)),
      ],
    }),
    write: (sent, body) => sent.end(body),
  },
  "an agent that keeps connections": {
    options: () => ({ agent: new Agent({ keepAlive: true }) }),
    write: (sent, body) => sent.end(body),
  },
  "no agent": { options: () => ({ agent: false }), write: (sent, body) => sent.end(body) },
};

interface Got {
  readonly status: number | undefined;
  readonly text: string;
  readonly events: readonly string[];
}

/** Sends a request and reads its answer, with all that the caller could see of it. */
async function send(path: string, body: string, { options, write }: (typeof WAYS)[string]): Promise<Got> {
  const events: string[] = [];
  const url = `${switched.server.url}${path}`;
  const sent = request(url, { method: "POST", headers: HEADERS, ...options?.(body) });
  for (const name of ["finish", "response", "close", "error", "abort"]) sent.on(name, () => events.push(name));
  const closed = new Promise((resolve) => sent.once("close", resolve));
  const answered = new Promise<IncomingMessage>((resolve, reject) => sent.on("response", resolve).on("error", reject));
  await write(sent, body);
  events.push(`keys ${Object.keys(sent).length}`);
  const answer = await answered;
  answer.on("end", () => events.push("end"));
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) text += chunk;
  await closed;
  events.push(
    `${answer.complete} ${sent.writableFinished} ${answer.listenerCount("data")} ${sent.listenerCount("response")}`,
  );
  return { status: answer.statusCode, text, events };
}

describe("each way of sending is metered once, and is as without us", () => {
  let right = 0;
  let made = 0;
  for (const [name, way] of Object.entries(WAYS)) {
    test.each(Object.entries(KINDS))(`${name}: %s`, async (_, { request: body, hidden }) => {
      made += 1;
      const { server } = switched;
      const seen = server.visits.length;
      const bare = await switched.bare(() => send("/v1/chat/completions", body, way));
      const ours = await switched.metered(() => send("/v1/chat/completions", body, way));
      expect(ours).toEqual(bare);
      const [expected, came] = server.visits.slice(seen);
      if (hidden) {
        expect(JSON.parse(came?.body ?? "")).toEqual({ ...JSON.parse(body), stream_options: { include_usage: true } });
        const length = came?.headers["content-length"];
        if (length !== undefined) expect(Number(length)).toBe(Buffer.byteLength(came?.body ?? ""));
      } else expect(came && [came.headers, came.body]).toEqual(expected && [expected.headers, expected.body]);
      expect(switched.calls).toMatchObject([{ ending: "completed", quality: "reported", usage: METERED, status: 200 }]);
      expect([...switched.runtime.faults.counts()]).toEqual([]);
      right += 1;
    });
  }
  afterAll(() => console.log(`node:http requests as without us, Node ${process.version}: ${right} of ${made}`));
});

const STREAM = KINDS["stream, usage asked"]?.request as string;

function open(path: string, options: RequestOptions = {}): Promise<readonly [ClientRequest, IncomingMessage]> {
  return new Promise((resolve, reject) => {
    const sent = request(`${switched.server.url}${path}`, { method: "POST", headers: HEADERS, ...options });
    sent.on("response", (answer) => resolve([sent, answer]));
    sent.on("error", reject);
    sent.end(STREAM);
  });
}

const drained = (answer: IncomingMessage): Promise<unknown> =>
  new Promise((resolve) => {
    const seen: string[] = [];
    for (const name of ["end", "aborted"]) answer.on(name, () => seen.push(name));
    answer.on("error", (error: NodeJS.ErrnoException) => seen.push(`${error.code} ${error.message}`));
    answer.on("close", () => resolve(seen));
    answer.resume();
  });
const PATH = "/v1/chat/completions";

/** Every ending: what it does, and how its call settles. */
const ENDINGS: Readonly<Record<string, { readonly ending: string; readonly run: () => Promise<unknown> }>> = {
  "read to the end": { ending: "completed", run: async () => drained((await open(PATH))[1]) },
  "cut by the vendor": { ending: "failed", run: async () => drained((await open(`/broken${PATH}`))[1]) },
  "cut, without a listener for errors": {
    ending: "failed",
    run: async () => {
      const [, answer] = await open(`/broken${PATH}`);
      return new Promise((resolve) => answer.resume().on("close", () => resolve(answer.aborted)));
    },
  },
  "request destroyed": {
    ending: "canceled",
    run: async () => {
      const [sent, answer] = await open(`/hanging${PATH}`);
      const seen = drained(answer);
      sent.destroy();
      return seen;
    },
  },
  "request aborted": {
    ending: "canceled",
    run: async () => {
      const [sent, answer] = await open(`/hanging${PATH}`);
      const seen = drained(answer);
      sent.abort();
      return seen;
    },
  },
  "answer destroyed": {
    ending: "canceled",
    run: async () => {
      const [, answer] = await open(`/hanging${PATH}`);
      const seen = drained(answer);
      answer.destroy();
      return seen;
    },
  },
  "answer destroyed with an error": {
    ending: "canceled",
    run: async () => {
      const [, answer] = await open(`/hanging${PATH}`);
      const seen = drained(answer);
      answer.destroy(new RangeError("mine"));
      return seen;
    },
  },
  "break of the loop": {
    ending: "canceled",
    run: async () => {
      const [, answer] = await open(`/hanging${PATH}`);
      for await (const _ of answer) break;
    },
  },
  "abort signal": {
    ending: "canceled",
    run: async () => {
      const controller = new AbortController();
      const [sent, answer] = await open(`/hanging${PATH}`, { signal: controller.signal });
      sent.on("error", () => {});
      const seen = drained(answer);
      controller.abort();
      return seen;
    },
  },
  "abort before the answer": {
    ending: "canceled",
    run: async () => {
      const sent = request(`${switched.server.url}${PATH}`, { method: "POST", headers: HEADERS });
      const seen: string[] = [];
      sent.on("error", (error: NodeJS.ErrnoException) => seen.push(`${error.code} ${error.message}`));
      const closed = new Promise((resolve) => sent.on("close", resolve));
      sent.end(STREAM);
      sent.destroy();
      await closed;
      return seen;
    },
  },
  timeout: {
    ending: "canceled",
    run: async () => {
      const [sent, answer] = await open(`/hanging${PATH}`);
      const seen = drained(answer);
      // Set here: as an option it may pass before there is a listener.
      sent.setTimeout(20, () => sent.destroy());
      return seen;
    },
  },
  "no connection": {
    ending: "failed",
    run: () =>
      new Promise((resolve) => {
        const sent = request("http://127.0.0.1:1/v1/chat/completions", { method: "POST", headers: HEADERS });
        sent.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
        sent.end(STREAM);
      }),
  },
};

describe("every ending settles one call, and is as without us", () => {
  let right = 0;
  for (const [name, { ending, run }] of Object.entries(ENDINGS)) {
    test(name, async () => {
      const bare = await switched.bare(run);
      const hosts = [{ host: "127.0.0.1:1", like: "api.openai.com" }];
      const extra = name === "no connection" ? { hosts } : {};
      expect(await switched.metered(run, extra)).toEqual(bare);
      expect(switched.calls.map((call) => call.ending)).toEqual([ending]);
      expect([...switched.runtime.faults.counts()]).toEqual([]);
      right += 1;
    });
  }
  afterAll(() =>
    console.log(`node:http endings as without us, Node ${process.version}: ${right} of ${Object.keys(ENDINGS).length}`),
  );
});

describe("a refusal", () => {
  const NONE = { budgets: [{ name: "none at all", per: "hour", calls: 0 }] };
  test.each(Object.keys(WAYS))("%s", async (name) => {
    const seen = switched.server.visits.length;
    const got = await switched.metered(
      () => send(PATH, KINDS.JSON?.request as string, WAYS[name] as (typeof WAYS)[string]),
      NONE,
    );
    expect(got.status).toBe(402);
    expect(isBlocked(JSON.parse(got.text))).toMatchObject({ reason: "budget", budget: "none at all" });
    expect(got.events).toEqual(expect.arrayContaining(["finish", "response", "end", "close"]));
    expect(switched.calls.map(({ ending }) => ending)).toEqual(["blocked"]);
    expect(switched.server.visits).toHaveLength(seen);
    expect([...switched.runtime.faults.counts()]).toEqual([]);
  });

  test("gives the socket back, on which the next request goes out", async () => {
    const connections = new Set<unknown>();
    const server = createServer((_, answer) => void answer.end("{}"));
    server.on("connection", (socket) => connections.add(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const port = (server.address() as AddressInfo).port;
    const go = (path: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request({ port, host: "127.0.0.1", agent, path, method: "POST", headers: HEADERS }, (answer) => {
          answer.resume().on("end", () => resolve(answer.statusCode));
        });
        sent.on("error", reject).end(STREAM);
      });
    const statuses = await switched.metered(
      async () => [await go(PATH), await go("/other"), await go(PATH), await go("/other")],
      { ...NONE, hosts: [{ host: `127.0.0.1:${port}`, like: "api.openai.com" }] },
    );
    expect(statuses).toEqual([402, 200, 402, 200]);
    expect(connections.size).toBe(1);
    agent.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test("keeps no process when nobody reads it, and the next request on its socket does", async () => {
    const server = createServer((asked, answer) => void asked.resume().on("end", () => answer.end("{}")));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const port = (server.address() as AddressInfo).port;
    const ask = (path: string, done: (answer: IncomingMessage) => void) => {
      const sent = request({ port, host: "127.0.0.1", agent, path, method: "POST", headers: HEADERS }, done);
      return sent.on("error", () => {}).end(STREAM);
    };
    const held = (sent: ClientRequest) =>
      (sent.socket as unknown as { readonly _handle: { hasRef(): boolean } })._handle.hasRef();
    const got = await switched.metered(
      async () => {
        const unread = Promise.withResolvers<IncomingMessage>();
        const first = ask(PATH, unread.resolve);
        const answer = await unread.promise;
        await new Promise<void>((resolve) => setImmediate(resolve));
        const before = held(first);
        const next = Promise.withResolvers<boolean>();
        const second = ask("/other", (other) => void other.resume().on("end", () => next.resolve(held(second))));
        answer.resume();
        return { status: answer.statusCode, before, after: await next.promise };
      },
      { ...NONE, hosts: [{ host: `127.0.0.1:${port}`, like: "api.openai.com" }] },
    );
    expect(got).toEqual({ status: 402, before: false, after: true });
    agent.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("what else is on the wire", () => {
  test("our own headers are read, and not sent", async () => {
    const { server } = switched;
    const seen = server.visits.length;
    const headers = { ...HEADERS, "X-Spendfuse-Agent": "writer", baggage: "a=1,spendfuse.run=7" };
    const way = { options: () => ({ headers }), write: (sent: ClientRequest, body: string) => sent.end(body) };
    await switched.metered(() => send(PATH, STREAM, way));
    expect(switched.calls).toMatchObject([{ scope: { agent: "writer" } }]);
    expect(JSON.stringify(server.visits[seen]?.headers)).not.toContain("spendfuse");
    expect(server.visits[seen]?.headers.baggage).toBe("a=1");
  });

  test.each([
    ["stream", STREAM, eventStream(true), "text/event-stream"],
    ["JSON", KINDS.JSON?.request as string, WHOLE, "application/json"],
  ])("a coded %s", async (_, body, text, type) => {
    const bytes = gzipSync(text);
    const server = createServer((_request, answer) => {
      answer.writeHead(200, { "content-type": type, "content-encoding": "gzip" });
      answer.write(bytes.subarray(0, 50));
      answer.end(bytes.subarray(50));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const got = await switched.metered(
      async () => {
        const sent = request(`http://${host}${PATH}`, { method: "POST", headers: HEADERS });
        const answer = await new Promise<IncomingMessage>((resolve) => sent.on("response", resolve).end(body));
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk as Buffer);
        // It is decoded beside its reader.
        while (switched.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
        return Buffer.concat(chunks);
      },
      { hosts: [{ host, like: "api.openai.com" }] },
    );
    expect(got.equals(bytes)).toBe(true);
    expect(switched.calls).toMatchObject([{ ending: "completed", usage: METERED }]);
    await new Promise((resolve) => server.close(resolve));
  });

  test("a coded request is read", async () => {
    const options = () => ({ headers: { ...HEADERS, "content-encoding": "gzip" } });
    const coded = gzipSync(KINDS.JSON?.request as string);
    const server = createServer(
      (_request, answer) => void answer.setHeader("content-type", "application/json").end(WHOLE),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const go = (write: (sent: ClientRequest) => void) =>
      new Promise((resolve) => {
        const sent = request(`http://${host}${PATH}`, { method: "POST", ...options() });
        sent.on("response", (answer) => drained(answer).then(resolve));
        write(sent);
      });
    await switched.metered(
      async () => {
        await go((sent) => void sent.end(coded));
        await go((sent) => {
          sent.write(coded.subarray(0, 30));
          sent.end(coded.subarray(30));
        });
      },
      { hosts: [{ host, like: "api.openai.com" }] },
    );
    const call = { requestModel: "gpt-5-mini", usage: METERED };
    expect(switched.calls).toMatchObject([call, call]);
    await new Promise((resolve) => server.close(resolve));
  });

  test("a body that waits for the server's word", async () => {
    const way = {
      options: (body: string) => ({ headers: { ...HEADERS, Expect: "100-continue", "Content-Length": body.length } }),
      write: (sent: ClientRequest, body: string) => void sent.on("continue", () => sent.end(body)),
    };
    const body = KINDS.JSON?.request as string;
    const bare = await switched.bare(() => send(PATH, body, way));
    expect(await switched.metered(() => send(PATH, body, way))).toEqual(bare);
    expect(switched.calls).toMatchObject([{ ending: "completed", usage: METERED, requestModel: "gpt-5-mini" }]);
  });

  test("a body that comes slowly", async () => {
    const way = {
      write: async (sent: ClientRequest, body: string) => {
        sent.write(body.slice(0, 20));
        await new Promise((resolve) => setTimeout(resolve, 150));
        sent.end(body.slice(20));
      },
    };
    await switched.metered(() => send(PATH, KINDS.JSON?.request as string, way));
    expect(switched.calls).toMatchObject([{ ending: "completed", usage: METERED, requestModel: "gpt-5-mini" }]);
  });

  test("a redirect is no call, and what follows it is one", async () => {
    const go = async () => {
      const [, moved] = await open(`/moved${PATH}`);
      moved.resume();
      return drained((await open(moved.headers.location as string))[1]);
    };
    await switched.metered(go);
    expect(switched.calls.map(({ ending }) => ending)).toEqual(["completed"]);
  });

  test("a wrapped fetch made of node:http counts once", async () => {
    const { runtime, server } = switched;
    const go = async () => {
      const init = { method: "POST", headers: HEADERS, body: STREAM };
      for (const path of ["", "/moved", "/down"])
        await (await runtime.wrapFetch(nodeFetch)(`${server.url}${path}${PATH}`, init)).text();
    };
    await switched.metered(go);
    expect(switched.calls).toHaveLength(3);
  });

  test("switched off, it meters nothing", async () => {
    await switched.metered(async () => drained((await open(PATH))[1]), { transportsOff: ["node-http"] });
    expect(switched.calls).toEqual([]);
  });

  test("a request behind a proxy is held as well, and is Node's own again at its end", async () => {
    const go = async () => {
      const sent = request(`${switched.server.url}${PATH}`, { method: "POST", headers: HEADERS });
      const shown = new Proxy(sent, {});
      const answered = new Promise<IncomingMessage>((resolve) => sent.on("response", resolve));
      const closed = new Promise((resolve) => sent.on("close", resolve));
      shown.end(STREAM);
      const text = await drained(await answered);
      await closed;
      return [text, Object.getPrototypeOf(sent) === ClientRequest.prototype];
    };
    expect(await switched.metered(go)).toEqual(await switched.bare(go));
    expect(switched.calls).toMatchObject([{ ending: "completed", quality: "reported" }]);
  });

  test("no property or listener of a request shows us", async () => {
    const look = async () => {
      const sent = request(`${switched.server.url}${PATH}`, { method: "POST", headers: HEADERS });
      const at: unknown[] = [];
      const show = () =>
        at.push(
          Object.keys(sent),
          sent.eventNames().filter((name) => name !== errorMonitor),
          [sent.write.name, sent.write.length, sent.end.length, sent.emit.name, sent.headersSent, sent.writableEnded],
        );
      show();
      sent.end(STREAM);
      show();
      const answer = await new Promise<IncomingMessage>((resolve) => sent.on("response", resolve));
      at.push(Object.keys(answer).filter((key) => key !== "headers").length);
      await drained(answer);
      show();
      return at;
    };
    expect(await switched.metered(look)).toEqual(await switched.bare(look));
  });
});
