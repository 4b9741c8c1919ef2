import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:http2";
import { gunzipSync, gzipSync } from "node:zlib";
import * as undici from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../eventually.ts";
import { type Guarded, guard, MODEL } from "../../guard/guarded.ts";
import { type BedrockServer, startBedrockServer } from "../../servers/bedrock-server.ts";

const PATH = "/v1/chat/completions";
const BODY = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hi" }] });
const CAP = '{"error":{"code":"insufficient_quota","type":"insufficient_quota","message":"You exceeded your quota."}}';
const HEADERS = { "content-type": "application/json", authorization: "Bearer sk-test" };

let server: BedrockServer;
let one: Guarded;
beforeEach(async () => {
  server = await startBedrockServer();
  // Without budgets or a breaker nothing is refused.
  const budgets = [{ name: "one", per: "day", usd: 100 } as const];
  one = await guard(undefined, { budgets, hosts: [{ host: server.host, like: "api.openai.com" }] });
});
afterEach(async () => {
  expect(one.runtime.faults.counts()).toEqual(new Map());
  await one.stop();
  await server.close();
});

interface Seen {
  readonly status: number;
  readonly retry: unknown;
  readonly coding: unknown;
  readonly body: Buffer;
}

const seenOf = (status: number, headers: Readonly<Record<string, unknown>>, body: Uint8Array): Seen => ({
  status,
  retry: headers["x-should-retry"],
  coding: headers["content-encoding"],
  body: Buffer.from(body),
});

/** A request over each transport, as its reader gets the answer. `decodes`: as it comes from the coding. */
const CLIENTS: Readonly<Record<string, { readonly decodes: boolean; readonly send: () => Promise<Seen> }>> = {
  fetch: {
    decodes: true,
    async send() {
      const response = await one.fetch(`${server.url}${PATH}`, { method: "POST", headers: HEADERS, body: BODY });
      const { status, headers } = response;
      return seenOf(status, Object.fromEntries(headers), new Uint8Array(await response.arrayBuffer()));
    },
  },
  "node:http": {
    decodes: false,
    async send() {
      const asking = request(`${server.url}${PATH}`, { method: "POST", headers: HEADERS, agent: false }).end(BODY);
      const [answer] = (await once(asking, "response")) as [IncomingMessage];
      return seenOf(answer.statusCode ?? 0, answer.headers, Buffer.concat(await answer.toArray()));
    },
  },
  "node:http2": {
    decodes: false,
    async send() {
      const session = connect(server.url);
      // The stand-in cuts what is still open when it closes.
      session.on("error", () => {});
      const stream = session.request({ ":method": "POST", ":path": PATH, ...HEADERS }).end(BODY);
      const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
      const body = Buffer.concat(await stream.toArray());
      session.close();
      return seenOf(Number(headers[":status"]), headers, body);
    },
  },
  undici: {
    decodes: false,
    async send() {
      const ask = { method: "POST" as const, headers: HEADERS, body: BODY };
      const { statusCode, headers, body } = await undici.request(`${server.url}${PATH}`, ask);
      return seenOf(statusCode, headers, new Uint8Array(await body.arrayBuffer()));
    },
  },
};

describe.each(Object.entries(CLIENTS))("a vendor's own cap over %s", (name, { decodes, send }) => {
  test.each(["identity", "gzip"])("%s: comes as it was sent, and a retry is refused", async (coding) => {
    const sent = coding === "gzip" ? gzipSync(CAP) : Buffer.from(CAP);
    server.play({
      status: 429,
      headers: { "content-type": "application/json", ...(coding === "gzip" && { "content-encoding": coding }) },
      steps: [sent],
    });
    const first = await send();
    expect(first.status).toBe(429);
    const isCoded = coding === "gzip" && !decodes;
    expect((isCoded ? gunzipSync(first.body) : first.body).toString()).toBe(CAP);
    // Over the others the head has gone to its reader before the error is read.
    expect(first.retry).toBe(name === "fetch" ? "false" : undefined);
    // What is coded is read beside its reader.
    await eventually(async () => {
      const again = await send();
      expect(again).toMatchObject({ status: 402, retry: "false" });
      expect(again.body.toString()).toContain("the vendor's own cap");
    });
    const { length } = server.visits;
    expect(length).toBeLessThan(coding === "gzip" ? 4 : 2);
    expect(await send()).toMatchObject({ status: 402, retry: "false" });
    expect(server.visits).toHaveLength(length);
    expect(one.settled[0]).toMatchObject({ ending: "failed" });
  });
});
