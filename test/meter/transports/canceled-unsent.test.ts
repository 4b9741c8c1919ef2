import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import * as undici from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CHAT_PATH } from "../../fixtures/around-fetch.ts";
import { KINDS } from "./fetch/body/answers.ts";
import { answer, type Switched, startSwitched } from "./node-http/metering.ts";

/** A call that its caller gives up before all of it was sent costs nothing; one that was sent is estimated. */
const HEADERS = { "content-type": "application/json", authorization: "Bearer sk-test" };
const BODY = (KINDS.JSON as { readonly request: string }).request;
const BUDGETS = [{ name: "none at all", per: "hour", calls: 0 }];

let switched: Switched;
/** Accepts connections and says nothing, so that no TLS is agreed on. */
let silent: Server;
const sockets = new Set<Socket>();
/** Without connections of earlier tests: on one that is there a request is sent before it can be aborted. */
let connections: undici.Agent;
const earlier = undici.getGlobalDispatcher();

beforeAll(async () => {
  switched = await startSwitched();
  silent = createServer((socket) => sockets.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
});
beforeEach(() => {
  answer(switched.server);
  connections = new undici.Agent();
  undici.setGlobalDispatcher(connections);
});
afterEach(async () => {
  undici.setGlobalDispatcher(earlier);
  await connections.destroy();
  for (const socket of sockets) socket.destroy();
});
afterAll(async () => {
  silent.close();
  await switched.stop();
});

const silentHost = (): string => `127.0.0.1:${(silent.address() as AddressInfo).port}`;
const outcome = (sent: Promise<unknown>): Promise<string> =>
  sent.then(
    () => "answered",
    (error: Error) => error.name,
  );

type Send = (origin: string, signal: AbortSignal) => Promise<unknown>;

const SENDS: Readonly<Record<string, Send>> = {
  fetch: (origin, signal) => fetch(origin + CHAT_PATH, { method: "POST", headers: HEADERS, body: BODY, signal }),
  "fetch of a Request": (origin, signal) =>
    fetch(new Request(origin + CHAT_PATH, { method: "POST", headers: HEADERS, body: BODY, signal })),
  "undici.request": (origin, signal) =>
    undici.request(origin + CHAT_PATH, { method: "POST", headers: HEADERS, body: BODY, signal }),
  "undici.fetch": (origin, signal) =>
    undici.fetch(origin + CHAT_PATH, { method: "POST", headers: HEADERS, body: BODY, signal }),
  "node:http": (origin, signal) =>
    new Promise((resolve, reject) => {
      const { request } = origin.startsWith("https") ? https : http;
      request(origin + CHAT_PATH, { method: "POST", headers: HEADERS, signal, agent: false }, resolve)
        .on("error", reject)
        .end(BODY);
    }),
};

function sendByHttp2(origin: string, signal: AbortSignal): Promise<unknown> {
  const session = http2.connect(origin).on("error", () => {});
  return new Promise((resolve, reject) => {
    session
      .request({ ":method": "POST", ":path": CHAT_PATH, ...HEADERS }, { signal })
      .on("response", resolve)
      .on("error", reject)
      .on("close", () => session.destroy())
      .end(BODY);
  });
}

/** The call has ended, before anything else ends it. */
async function settled(): Promise<void> {
  await expect.poll(() => switched.calls.length).toBe(1);
}

function expectNoCost(): void {
  const { calls, server } = switched;
  expect(calls.map(({ ending, quality, usage, costUsd }) => ({ ending, quality, usage, costUsd }))).toEqual([
    { ending: "canceled", quality: "unknown", usage: undefined, costUsd: undefined },
  ]);
  expect(server.visits).toHaveLength(0);
}

async function abortWhileConnecting(send: Send): Promise<void> {
  const control = new AbortController();
  const connected = new Promise((resolve) => silent.once("connection", resolve));
  await switched.metered(
    async () => {
      const sent = outcome(send(`https://${silentHost()}`, control.signal));
      await connected;
      control.abort();
      expect(await sent).toBe("AbortError");
      await settled();
    },
    { hosts: [{ host: silentHost(), like: "api.openai.com" }] },
  );
  expectNoCost();
}

describe.each(Object.entries(SENDS))("%s, aborted", (name, send) => {
  test("before it is made: no call", async () => {
    const seen = await switched.metered(() => outcome(send(switched.server.url, AbortSignal.abort())));
    expect(seen).toBe("AbortError");
    expect(switched.calls).toEqual([]);
    expect(switched.server.visits).toHaveLength(0);
  });

  test("at once", async () => {
    // A body that only a Request holds is read before it is sent.
    const readsAhead = name === "fetch of a Request";
    const control = new AbortController();
    await switched.metered(async () => {
      const sent = outcome(send(switched.server.url, control.signal));
      control.abort();
      if (!readsAhead) await settled();
      return sent;
    });
    if (readsAhead) expect(switched.calls).toEqual([]);
    else expectNoCost();
  });

  test("while its verdict is awaited: no call, and nothing of the budget", async () => {
    const asked = Promise.withResolvers<void>();
    const verdict = Promise.withResolvers<boolean>();
    const approve = () => {
      asked.resolve();
      return verdict.promise;
    };
    const control = new AbortController();
    switched.runtime.approvers.add(approve);
    const seen = await switched.metered(
      async () => {
        const sent = outcome(send(switched.server.url, control.signal));
        await asked.promise;
        control.abort();
        verdict.resolve(true);
        return sent;
      },
      { budgets: BUDGETS },
    );
    switched.runtime.approvers.delete(approve);
    expect(seen).toBe("AbortError");
    // The package's fetch keeps its signal to itself.
    if (name === "undici.fetch") expectNoCost();
    else expect(switched.calls).toEqual([]);
    expect(switched.server.visits).toHaveLength(0);
  });

  // The undici package tells its dispatcher of an abort only once it is connected.
  if (!name.startsWith("undici")) test("while it connects", () => abortWhileConnecting(send));

  test("once it is sent: its input is estimated", async () => {
    const control = new AbortController();
    answer(switched.server, (chunks) => [{ pause: 60_000 }, ...chunks]);
    await switched.metered(async () => {
      const sent = outcome(send(switched.server.url, control.signal));
      await expect.poll(() => switched.server.visits.length).toBe(1);
      control.abort();
      await settled();
      return sent;
    });
    expect(switched.calls).toMatchObject([{ ending: "canceled", quality: "estimated" }]);
    expect(switched.calls[0]?.usage?.input).toBeGreaterThan(0);
  });
});

test("a request by HTTP/2 that is aborted while it connects costs nothing", () => abortWhileConnecting(sendByHttp2));
