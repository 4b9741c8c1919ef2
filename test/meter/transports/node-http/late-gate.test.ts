import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isBlocked } from "../../../../src/guard/blocked.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../../../servers/redis.ts";
import { KINDS, METERED } from "../fetch/body/answers.ts";
import { type Switched, startSwitched } from "./metering.ts";

const PATH = "/v1/chat/completions";
const STREAM = KINDS["stream, usage hidden"]?.request as string;

let switched: Switched;
let redis: RedisServer;
beforeAll(async () => {
  switched = await startSwitched();
  if (NO_REDIS === undefined) redis = await startRedis();
});
afterAll(async () => {
  await switched.stop();
  await redis?.kill();
});

const WAYS: Readonly<Record<string, (sent: ClientRequest) => unknown>> = {
  "end(text)": (sent) => sent.end(STREAM),
  "write, then end": (sent) => {
    sent.write(STREAM.slice(0, 20));
    sent.end(STREAM.slice(20));
  },
  "in pieces": async (sent) => {
    for (const piece of [STREAM.slice(0, 20), STREAM.slice(20)]) {
      await new Promise((resolve) => setImmediate(resolve));
      sent.write(piece);
    }
    sent.end();
  },
  piped: (sent) => Readable.from([Buffer.from(STREAM)]).pipe(sent),
  "head flushed first": (sent) => {
    sent.flushHeaders();
    sent.end(STREAM);
  },
};

function open(): { readonly sent: ClientRequest; readonly answer: Promise<IncomingMessage> } {
  const sent = request(`${switched.server.url}${PATH}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  const answer = new Promise<IncomingMessage>((resolve, reject) => sent.on("response", resolve).on("error", reject));
  return { sent, answer };
}

async function send(write: (sent: ClientRequest) => unknown): Promise<{ status: number | undefined; text: string }> {
  const { sent, answer } = open();
  await write(sent);
  let text = "";
  for await (const chunk of (await answer).setEncoding("utf8")) text += chunk;
  return { status: (await answer).statusCode, text };
}

/** One call of a budget that no other test has, which only the store can admit. */
function oneCall(name: string): object {
  return { store: redis.url, budgets: [{ name, per: "hour", calls: 1 }] };
}

describe.skipIf(NO_REDIS !== undefined)("a store that answers later", () => {
  test.each(Object.entries(WAYS))("%s: admits one call, as without us, and refuses the next", async (name, write) => {
    const { server, calls } = switched;
    const bare = await send(write);
    const seen = server.visits.length;
    const got = await switched.metered(async () => [await send(write), await send(write)], oneCall(name));

    expect(got[0]).toEqual(bare);
    expect(got[1]?.status).toBe(402);
    expect(isBlocked(JSON.parse(got[1]?.text ?? ""))).toMatchObject({ reason: "budget", budget: name });
    expect(server.visits).toHaveLength(seen + 1);
    expect(calls.map(({ ending }) => ending)).toEqual(["completed", "blocked"]);
    expect([...switched.runtime.faults.counts()]).toEqual([]);
  });

  test("a call that is given up meanwhile is never sent, and takes nothing of the budget", async () => {
    const { server, calls } = switched;
    const seen = server.visits.length;
    await switched.metered(async () => {
      const { sent, answer } = open();
      sent.end(STREAM);
      sent.destroy();
      await expect(answer).rejects.toMatchObject({ code: "ECONNRESET" });
      // Until the store has answered, what it held may refuse the next.
      await expect.poll(async () => (await send((next) => next.end(STREAM))).status).toBe(200);
    }, oneCall("given up"));

    expect(server.visits).toHaveLength(seen + 1);
    const sent = calls.filter(({ ending }) => ending !== "blocked");
    expect(sent).toMatchObject([{ ending: "completed", usage: METERED }]);
  });
});
