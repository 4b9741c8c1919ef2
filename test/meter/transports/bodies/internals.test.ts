import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT_BODY, CHAT_PATH, postHttp, postInSession } from "../../../fixtures/around-fetch.ts";
import { removeStateDirs } from "../../../fixtures/exporting.ts";
import { watchUnmetered } from "../../../fixtures/unmetered.ts";
import { startTransportServer, type TransportServer } from "../../../servers/transport-server.ts";

const CREATED = "http.client.request.created";
/** Of a request of Node's: all that we use and Node does not document. */
const OF_REQUEST = ["_writeRaw", "_flush", "_finish", "outputData", "outputSize"];
const OF_SESSION = "kPendingRequestCalls";

let http: TransportServer;
let h2c: TransportServer;
beforeAll(async () => {
  http = await startTransportServer("http");
  h2c = await startTransportServer("h2c");
});
afterAll(async () => {
  await Promise.all([http.close(), h2c.close()]);
  removeStateDirs();
});

/** What is metered, and what is counted as unmetered, while transports are on. */
async function watch(send: () => Promise<unknown>): Promise<{ calls: number; unmetered: object }> {
  const hosts = [http, h2c].map(({ host }) => ({ host, like: "api.openai.com" }));
  const watched = await watchUnmetered({ hosts, transportsOff: [] });
  try {
    await send();
    return { calls: watched.calls.length, unmetered: await watched.unmetered() };
  } finally {
    await watched.stop();
  }
}

describe("a Node without what holds a request back: the request passes, and is counted", () => {
  test("as it is, it is metered", async () => {
    expect(await watch(() => postHttp(http.url + CHAT_PATH))).toEqual({ calls: 1, unmetered: {} });
    expect(await watch(() => postOver2(() => {}))).toEqual({ calls: 1, unmetered: {} });
  });

  test.each(OF_REQUEST)("node:http without %s", async (name) => {
    let kept: PropertyDescriptor | undefined;
    const take = (message: unknown): void => {
      const { request } = message as { readonly request: ClientRequest };
      kept = Object.getOwnPropertyDescriptor(request, name);
      Object.defineProperty(request, name, { value: undefined, configurable: true, writable: true });
    };
    // Node itself cannot do without.
    const giveBack = (message: unknown): void => {
      const { request } = message as { readonly request: ClientRequest };
      if (kept === undefined) Reflect.deleteProperty(request, name);
      else Object.defineProperty(request, name, kept);
    };
    subscribe(CREATED, take);
    try {
      const seen = await watch(async () => {
        subscribe(CREATED, giveBack);
        expect(await postHttp(http.url + CHAT_PATH)).toMatchObject({ status: 200 });
      });
      expect(seen).toEqual({ calls: 0, unmetered: { [http.host]: 1 } });
    } finally {
      unsubscribe(CREATED, take);
      unsubscribe(CREATED, giveBack);
    }
  });

  test(`node:http2 without ${OF_SESSION}`, async () => {
    const seen = await watch(() =>
      postOver2((session) => {
        const key = Object.getOwnPropertySymbols(session).find(({ description }) => description === OF_SESSION);
        expect(key).toBeDefined();
        Reflect.deleteProperty(session, key as symbol);
      }),
    );
    expect(seen).toEqual({ calls: 0, unmetered: { [h2c.host]: 1 } });
  });
});

async function postOver2(change: (session: ClientHttp2Session) => void): Promise<void> {
  const session = connect(h2c.url);
  await new Promise((resolve) => session.once("connect", resolve));
  change(session);
  expect(await postInSession(session, CHAT_PATH, CHAT_BODY)).toBe(200);
  session.close();
}
