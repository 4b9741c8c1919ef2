import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Breaker, startBreaker } from "../../src/breaker/server.ts";
import { command } from "../../src/cli/commands/budget.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";
import { answer, chat, guard } from "../guard/guarded.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";

const TOKEN = "operator-token";
const folder = mkdtempSync(join(tmpdir(), "spendfuse-requests-"));
const HOUR: BudgetConfig = { name: "agent hour", scope: { agent: "*" }, per: "hour", calls: 1 };
const RUN: BudgetConfig = { name: "run", scope: { agent: "*" }, per: "run", usd: 2 };
const ASK = {
  budget: "agent hour",
  scope: "agent:researcher",
  amount: 2,
  reason: "the launch",
  by: "agent researcher",
};

let server: ModelServer;
let redis: RedisServer | undefined;
beforeAll(async () => {
  server = await startModelServer();
  if (NO_REDIS === undefined) redis = await startRedis();
});
afterAll(async () => {
  await server.close();
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

interface Body {
  readonly request: { readonly id: string; readonly state: string };
  readonly requests: readonly { readonly id: string; readonly state: string; readonly answeredBy?: string }[];
  readonly cap: number;
  readonly error: { readonly code: string };
}

const ADDRESSES = {
  memory: () => "memory",
  file: () => `file:${join(folder, `${Math.random()}.db`)}`,
  redis: () => `${redis?.url}?prefix=${Math.random()}`,
};

describe.each(Object.entries(ADDRESSES))("requests on the store %s", (name, make) => {
  const it = test.skipIf(name === "redis" && NO_REDIS !== undefined);
  /** Of a store that processes share. */
  const shared: typeof it | (() => void) = name === "memory" ? () => {} : it;
  let address: string;
  let store: Store;
  let breaker: Breaker;
  let now: number;
  beforeEach(async (context) => {
    if (name === "redis" && NO_REDIS !== undefined) return context.skip();
    address = make();
    store = await openStore(address);
    now = Date.now();
    const caps = [HOUR, RUN].flatMap(readBudget);
    breaker = await startBreaker({ store, port: 0, operatorToken: TOKEN, caps: () => caps, clock: () => now });
  });
  afterEach(async () => {
    await breaker?.close();
    await store?.close();
  });

  async function ask(path: string, body?: object, token: string | undefined = TOKEN): Promise<[number, Body]> {
    const response = await fetch(`${breaker.url}/budgets/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { ...(token && { authorization: `Bearer ${token}` }), "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
    return [response.status, (await response.json()) as Body];
  }

  const caps = async (): Promise<number[]> => {
    const [, body] = (await ask("../budgets")) as unknown as [number, { budgets: { cap: number }[] }];
    return body.budgets.map(({ cap }) => cap);
  };

  it("changes nothing until an operator approves it, once, and the log says who, when, why, before and after", async () => {
    const [status, { request }] = await ask("request", ASK, "");
    expect([status, request]).toEqual([
      200,
      expect.objectContaining({ state: "pending", budget: "agent hour", amount: 2, by: "agent researcher" }),
    ]);
    expect(await caps()).toEqual([]);
    expect((await ask("requests"))[1].requests).toEqual([expect.objectContaining({ id: request.id })]);
    const [approved, row] = await ask("approve", { id: request.id, by: "ada", reason: "fine" });
    expect([approved, row.cap]).toEqual([200, 3]);
    expect((await ask("approve", { id: request.id, by: "bob" }))[0]).toBe(409);
    expect(await caps()).toEqual([3]);
    expect((await ask("requests"))[1].requests).toEqual([]);
    expect((await ask("requests?all=1"))[1].requests).toMatchObject([{ state: "approved", answeredBy: "ada" }]);
    expect(await store.audit(10)).toMatchObject([
      { what: "raise", by: "ada", before: 1, after: 3, why: "fine (asked by agent researcher: the launch)", at: now },
      { what: "request", by: "agent researcher", why: "the launch", before: 1, after: 3 },
    ]);
  });

  it("two operators who approve at once raise it once", async () => {
    const [, { request }] = await ask("request", ASK);
    await Promise.all(["ada", "bob"].map((by) => ask("approve", { id: request.id, by })));
    expect(await caps()).toEqual([3]);
  });

  it("an operator may grant less, or deny it", async () => {
    const [, first] = await ask("request", ASK);
    expect((await ask("approve", { id: first.request.id, by: "ada", amount: 1 }))[1].cap).toBe(2);
    const [, second] = await ask("request", ASK);
    expect(second.request.id).not.toBe(first.request.id);
    expect((await ask("deny", { id: second.request.id, by: "ada" }))[1].error.code).toBe("no_reason");
    expect((await ask("deny", { id: second.request.id, by: "ada", reason: "no" }))[0]).toBe(200);
    expect((await ask("approve", { id: second.request.id, by: "ada" }))[0]).toBe(409);
    expect(await caps()).toEqual([2]);
    expect((await ask("requests?all=1"))[1].requests.map(({ state }) => state)).toEqual(["denied", "approved"]);
  });

  it("silence grants nothing: it expires with its window, and cannot be approved any more", async () => {
    const [, { request }] = await ask("request", ASK);
    now += 3_600_000;
    expect((await ask("requests"))[1].requests).toEqual([]);
    const [status, { error }] = await ask("approve", { id: request.id, by: "ada" });
    expect([status, error.code]).toEqual([409, "not_pending"]);
    expect(await caps()).toEqual([]);
  });

  it("asked again it is the same request; a run's names its run", async () => {
    const [, first] = await ask("request", ASK);
    const [, again] = await ask("request", { ...ASK, amount: 9 });
    expect(again.request.id).toBe(first.request.id);
    const [, ofRun] = await ask("request", { ...ASK, budget: "run", run: "r|1" });
    expect(ofRun.request).toMatchObject({ run: "r|1", state: "pending" });
    expect((await ask("approve", { id: ofRun.request.id, by: "ada" }))[1].cap).toBe(4);
  });

  it.each([
    [{ ...ASK, amount: 0 }, 400, "bad_amount"],
    [{ ...ASK, amount: "2" }, 400, "bad_amount"],
    [{ ...ASK, reason: "" }, 400, "no_reason"],
    [{ ...ASK, by: undefined }, 400, "no_name"],
    [{ ...ASK, budget: "none" }, 400, "unknown_budget"],
    [{ ...ASK, scope: "team:search" }, 400, "bad_scope"],
  ])("%j is refused", async (order, status, code) => {
    const [answered, { error }] = await ask("request", order);
    expect([answered, error.code]).toEqual([status, code]);
    expect(await store.audit(10)).toEqual([]);
  });

  it("needs the operator's token to list, approve and deny", async () => {
    const [, { request }] = await ask("request", ASK);
    for (const path of ["approve", "deny"])
      expect((await ask(path, { id: request.id, by: "eve", reason: "x" }, "wrong"))[0]).toBe(401);
    expect((await ask("requests", undefined, "wrong"))[0]).toBe(401);
    expect((await ask("approve", { id: "none", by: "ada" }))[0]).toBe(404);
    expect(await caps()).toEqual([]);
  });

  shared("an agent asks in code, waits, and goes on once it is approved", async () => {
    server.play(() => answer(400, 400));
    const agent = await guard(server, { store: address, budgets: [HOUR] });
    try {
      expect((await chat(agent, server.url)).status).toBe(200);
      expect((await chat(agent, server.url)).status).toBe(402);
      const { scoping, requestBudget } = agent.runtime;
      const order = { budget: "agent hour", amount: 1, reason: "one page is left" };
      const asked = scoping.scope({ agent: "researcher" }, () => requestBudget(order, { waitMs: 60_000 }));
      let id = "";
      await eventually(async () => {
        id = (await ask("requests"))[1].requests[0]?.id ?? "";
        expect(id).not.toBe("");
      });
      expect((await chat(agent, server.url)).status).toBe(402);
      expect((await ask("approve", { id, by: "ada" }))[0]).toBe(200);
      expect(await asked).toMatchObject({ id, state: "approved", answeredBy: "ada", by: "agent researcher" });
      await eventually(async () => expect((await chat(agent, server.url)).status).toBe(200));
      const silent = await scoping.scope({ agent: "researcher" }, () => requestBudget(order));
      expect(silent.state).toBe("pending");
      const controller = new AbortController();
      controller.abort();
      const gone = await scoping.scope({ agent: "researcher" }, () =>
        requestBudget(order, { waitMs: 600_000, signal: controller.signal }),
      );
      expect(gone).toMatchObject({ id: silent.id, state: "pending" });
      await expect(requestBudget({ ...order, budget: "none" })).rejects.toMatchObject({ code: "SPENDFUSE_USAGE" });
    } finally {
      await agent.stop();
    }
  });

  shared("at the CLI: request, requests, approve, deny", async () => {
    const run = async (...args: readonly string[]): Promise<[number, string]> => {
      let out = "";
      const spies = (["log", "error"] as const).map((to) =>
        vi.spyOn(console, to).mockImplementation((text) => {
          out += `${text}\n`;
        }),
      );
      const before = process.env.SPENDFUSE_CONFIG;
      process.env.SPENDFUSE_CONFIG = JSON.stringify({ budgets: [HOUR] });
      try {
        return [await command.run([...args, "--store", address, "--by", "ada"]), out];
      } finally {
        if (before === undefined) delete process.env.SPENDFUSE_CONFIG;
        else process.env.SPENDFUSE_CONFIG = before;
        for (const spy of spies) spy.mockRestore();
      }
    };
    const asked = ["request", "agent hour", "2", "--scope", "agent:researcher", "--reason", "the launch"];
    const [code, out] = await run(...asked);
    const id = /^asked as (\w+)/.exec(out)?.[1] ?? "";
    expect([code, id]).toEqual([0, expect.stringMatching(/^\w{8}$/)]);
    expect((await run(...asked, "--wait", "1ms"))[0]).toBe(1);
    expect((await run("requests"))[1]).toMatch(
      new RegExp(`${id} +pending +agent hour +agent:researcher +2 calls +ada +the launch`),
    );
    expect(await run("approve", id)).toEqual([0, 'approved: the cap of "agent hour" of agent:researcher is 3 calls\n']);
    const [, next] = await run(...asked, "--json");
    expect(await run("deny", JSON.parse(next).id, "--reason", "no")).toEqual([
      0,
      'denied: "agent hour" of agent:researcher stays as it is\n',
    ]);
    expect((await run("requests"))[1]).toBe("no request waits for an answer\n");
    expect((await run("approve", "none"))[0]).toBe(2);
  });
});

test("in code a request that no operator could see is refused", async () => {
  server.play(() => answer(400, 400));
  const agent = await guard(server, { budgets: [HOUR] });
  await expect(
    agent.runtime.requestBudget({ budget: "agent hour", amount: 1, reason: "x", scope: "agent:a" }),
  ).rejects.toMatchObject({ code: "SPENDFUSE_CONFIG" });
  await agent.stop();
});
