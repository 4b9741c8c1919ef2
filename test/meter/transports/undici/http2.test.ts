import * as undici from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTransportServer, type TransportServer } from "../../../servers/transport-server.ts";
import { type Switched, startSwitched } from "../node-http/metering.ts";

/** undici by HTTP/2, where its server offers it. */
const PATH = "/v1/chat/completions";
const MESSAGES = [{ role: "user", content: "Hello" }];
const headers = { "content-type": "application/json", authorization: "Bearer sk-test" };

let switched: Switched;
let vendor: TransportServer;
let dispatcher: undici.Agent;
beforeAll(async () => {
  [switched, vendor] = await Promise.all([startSwitched(), startTransportServer("tls")]);
  dispatcher = new undici.Agent({ allowH2: true, connect: { rejectUnauthorized: false } });
});
afterAll(async () => {
  await dispatcher.close();
  await Promise.all([switched.stop(), vendor.close()]);
});

const post = (stream: boolean) => ({
  method: "POST" as const,
  headers,
  body: JSON.stringify({ model: "gpt-5", messages: MESSAGES, ...(stream && { stream }) }),
  dispatcher,
});
const requested = async (stream: boolean): Promise<unknown> => {
  const { statusCode, body } = await undici.request(`${vendor.url}${PATH}`, post(stream));
  return [statusCode, await body.text()];
};
const fetched = async (stream: boolean): Promise<unknown> => {
  const response = await undici.fetch(`${vendor.url}${PATH}`, post(stream));
  return [response.status, await response.text()];
};
const WAYS = {
  "request, whole": () => requested(false),
  "request, streamed": () => requested(true),
  "fetch, whole": () => fetched(false),
  "fetch, streamed": () => fetched(true),
  "ten at once on one connection": () => Promise.all(Array.from({ length: 10 }, (_, at) => requested(at % 2 > 0))),
};
const HOSTS = () => ({ hosts: [{ host: vendor.host, like: "api.openai.com" }] });

test.each(Object.entries(WAYS))("%s: as without us, one record a call", async (name, send) => {
  const bare = await send();
  expect(await switched.metered(send, HOSTS())).toEqual(bare);
  const { calls } = switched;
  expect(calls).toHaveLength(name.startsWith("ten") ? 10 : 1);
  for (const { ending, stream, usage } of calls) {
    expect(ending).toBe("completed");
    if (!stream) expect(usage).toMatchObject({ input: 10, output: 2 });
  }
});

test.each(Object.entries(WAYS))("%s: refused before anything is sent", async (_, send) => {
  const before = vendor.seen.length;
  const answers = await switched.metered(send, { ...HOSTS(), budgets: [{ name: "none", per: "hour", calls: 0 }] });
  expect(JSON.stringify(answers)).toContain("402,");
  expect(vendor.seen).toHaveLength(before);
  expect(switched.calls.every(({ ending }) => ending === "blocked")).toBe(true);
});
