import * as undici from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../../eventually.ts";
import { type Guarded, guard, MODEL } from "../../../guard/guarded.ts";
import { type ModelServer, type Step, startModelServer } from "../../../servers/model-server.ts";

let server: ModelServer;
let one: Guarded;

beforeAll(async () => {
  server = await startModelServer();
  one = await guard(server, { cutStreams: true, breaker: { port: 0 } });
});
afterAll(async () => {
  await one.stop();
  await server.close();
});

const frame = `data: ${JSON.stringify({ id: "1", model: MODEL, choices: [{ index: 0, delta: { content: "Hello" } }] })}\n\n`;

/** Each gives the text as it comes. */
const READERS: Readonly<Record<string, (url: string, init: object) => AsyncIterable<Uint8Array>>> = {
  async *request(url, init) {
    yield* (await undici.request(url, init)).body;
  },
  async *fetch(url, init) {
    yield* (await undici.fetch(url, init)).body as AsyncIterable<Uint8Array>;
  },
};

test.each(Object.entries(READERS))(
  "%s: a stream whose circuit opens ends, and the vendor is told to stop",
  async (name, read) => {
    const tripped = Promise.withResolvers<void>();
    const more: Step[] = Array.from({ length: 200 }, () => [frame, { pause: 5 }] as const).flat();
    server.play({
      headers: { "content-type": "text/event-stream" },
      steps: [frame, { until: tripped.promise }, ...more],
    });
    const settled = one.settled.length;
    const body = JSON.stringify({ model: MODEL, stream: true, messages: [{ role: "user", content: "Hi" }] });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body };
    let text = "";
    const agent = `reader-${name}`;
    const stream = one.runtime.scoping.scope({ agent }, () => read(`${server.url}/v1/chat/completions`, init));
    const iterator = one.runtime.scoping.scope({ agent }, () => stream[Symbol.asyncIterator]());
    const next = () => one.runtime.scoping.scope({ agent }, () => iterator.next());
    for (let part = await next(); part.done !== true; part = await next()) {
      if (text === "") {
        const trip = JSON.stringify({ scope: `agent:${agent}`, reason: "enough" });
        await fetch(`${one.runtime.breakerUrl()}/circuits/trip`, { method: "POST", body: trip });
        tripped.resolve();
      }
      text += Buffer.from(part.value).toString();
    }
    const events = text.split("\n\n").filter(Boolean);
    expect(events.slice(0, -1).every((event) => `${event}\n\n` === frame)).toBe(true);
    expect(events.at(-1)).toContain("spendfuse");
    await eventually(() => expect(one.settled).toHaveLength(settled + 1));
    expect(one.settled.at(-1)).toMatchObject({ ending: "canceled" });
    const { by, sent } = await (await server.visit(0)).over;
    expect(by).toBe("client");
    expect(sent).toBeLessThan(100);
  },
);
