import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isBlocked } from "../../../../src/guard/blocked.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../../../servers/redis.ts";
import { connect, LIBRARIES } from "./clients.ts";
import { ASK, LIVE, openStage, REALTIME, RESPONSES, type Stage, TURN } from "./stage.ts";

let stage: Stage;
let redis: RedisServer | undefined;

beforeAll(async () => {
  if (NO_REDIS === undefined) redis = await startRedis();
});
afterEach(() => stage.close());
afterAll(() => redis?.kill());

const ONE_CALL = { budgets: [{ name: "few", per: "day", calls: 1 }] };

/** By protocol: what begins a response, a response that stays open, and its first text. */
const PROTOCOLS = {
  Realtime: [REALTIME, { type: "response.create" }, { type: "response.create", event_id: "open" }, "audio.delta"],
  Responses: [RESPONSES, ASK, { ...ASK, stream_id: "open" }, "text.delta"],
  Live: [LIVE, TURN, { clientContent: { ...TURN.clientContent, staysOpen: true } }, "modelTurn"],
} as const;

describe.for(Object.entries(LIBRARIES))("%s", ([, library]) => {
  test("a request of Live over a budget is not sent: its error comes, and the connection closes with 4402", async () => {
    stage = await openStage(ONE_CALL);
    const client = await stage.open(library, LIVE);
    client.send(TURN);
    await stage.settled(1);
    const { length } = stage.server.received;
    client.send(TURN);
    const message = JSON.parse((await client.until('message {"error"')).slice("message ".length));
    expect(isBlocked(message)).toMatchObject({ reason: "budget" });
    expect(await client.until("close")).toMatch(/^close 4402 .*(?:few|budget)/);
    expect(stage.server.received).toHaveLength(length);
    expect((await stage.settled(2))[1]).toMatchObject({ ending: "blocked" });
  });

  test.each(Object.entries(PROTOCOLS))("a response of %s whose circuit opens is stopped", async (name, protocol) => {
    const [path, , request, first] = protocol;
    stage = await openStage({ cutStreams: true, breaker: { port: 0 } });
    const client = await stage.open(library, path, { "x-spendfuse-agent": "voice" });
    client.send(request);
    await client.until(first);
    await fetch(`${stage.runtime.breakerUrl()}/circuits/trip`, {
      method: "POST",
      body: JSON.stringify({ scope: "agent:voice", reason: "enough" }),
    });
    const told = JSON.parse((await client.until('"error"')).slice("message ".length));
    expect(isBlocked(told)).toMatchObject({ reason: "circuit", why: "enough" });
    if (name === "Realtime") {
      await expect.poll(() => stage.server.received.map(({ type }) => type)).toContain("response.cancel");
    } else expect(await client.until("close")).toMatch(/^close 4402 /);
    const [call] = await stage.settled(1);
    expect(call).toMatchObject({ ending: "canceled", quality: name === "Realtime" ? "reported" : "estimated" });
    expect(call?.usage?.input).toBeGreaterThan(0);
  });

  test("a response without cutStreams goes on when its circuit opens", async () => {
    stage = await openStage({ breaker: { port: 0 } });
    const client = await stage.open(library, REALTIME, { "x-spendfuse-agent": "voice" });
    client.send({ type: "response.create", event_id: "open" });
    await client.until("audio.delta");
    const body = JSON.stringify({ scope: "agent:voice" });
    await fetch(`${stage.runtime.breakerUrl()}/circuits/trip`, { method: "POST", body });
    client.send({ type: "response.create" });
    await client.until("spendfuse_circuit");
    expect(stage.server.received.map(({ type }) => type)).not.toContain("response.cancel");
    expect(client.socket.readyState).toBe(1);
  });

  test.skipIf(NO_REDIS !== undefined)(
    "a budget in Redis refuses requests, in their order, and nothing else",
    async () => {
      stage = await openStage({ ...ONE_CALL, store: `${redis?.url}?prefix=${Math.random()}` });
      const client = await stage.open(library, RESPONSES);
      client.send(ASK);
      client.send({ type: "ping.of.the.app" });
      client.send(ASK);
      client.send({ type: "last.of.the.app" });
      await client.until("spendfuse_budget");
      await expect.poll(() => stage.server.received.length).toBe(3);
      expect(stage.server.received.map(({ type }) => type)).toEqual([
        "response.create",
        "ping.of.the.app",
        "last.of.the.app",
      ]);
      const calls = await stage.settled(2);
      expect(calls.map(({ ending }) => ending).sort()).toEqual(["blocked", "completed"]);
    },
  );

  test.skipIf(NO_REDIS !== undefined)("a handshake over a budget in Redis costs the vendor nothing", async () => {
    stage = await openStage({ ...ONE_CALL, store: `${redis?.url}?prefix=${Math.random()}` });
    const client = await stage.open(library, REALTIME);
    client.send({ type: "response.create" });
    await stage.settled(1);
    const refused = connect(library, `${stage.server.url}${REALTIME}`);
    if (library === LIBRARIES.ws) {
      expect(await refused.until("error")).toMatch(/few|budget/);
      expect(stage.server.handshakes).toHaveLength(1);
      return;
    }
    // Node's own cannot wait for the check.
    await refused.until("open");
    refused.send({ type: "response.create" });
    await refused.until("spendfuse_budget");
    expect(stage.server.received).toHaveLength(1);
  });
});
