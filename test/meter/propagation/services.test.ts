import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Agent, createServer, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import Anthropic from "@anthropic-ai/sdk";
import { context, propagation as otel, trace } from "@opentelemetry/api";
import { request as undici } from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { startUserTracing, stopUserTelemetry } from "../../known-failures/tracing.ts";
import { type ModelServer, startModelServer } from "../../servers/model-server.ts";

const ANSWER = { model: "gpt-5", choices: [], usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 } };
const network = globalThis.fetch;

let vendor: ModelServer;
beforeAll(async () => {
  vendor = await startModelServer();
});
afterAll(() => vendor.close());

/** One service: a process of ours with a network of its own. */
interface Service {
  readonly runtime: Runtime;
  readonly calls: SettledCall[];
  readonly fetch: typeof fetch;
  /** One model call. */
  ask(): Promise<void>;
}

const started: Runtime[] = [];

async function service(config: ConfigFile = {}): Promise<Service> {
  const runtime = createRuntime(() => {});
  started.push(runtime);
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  await runtime.start({ telemetry: false, env: {}, config });
  const fetch = runtime.wrapFetch((input, init) => network(input, init));
  return {
    runtime,
    calls,
    fetch,
    async ask() {
      const body = JSON.stringify({ model: "gpt-5", messages: [] });
      const response = await fetch(`${vendor.url}/v1/chat/completions`, { method: "POST", body });
      await response.json();
    },
  };
}

beforeEach(() => vendor.play({ headers: { "content-type": "application/json" }, steps: [JSON.stringify(ANSWER)] }));
afterEach(async () => {
  for (const runtime of started.splice(0)) await runtime.stop();
  stopUserTelemetry();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return (server.address() as AddressInfo).port;
}

describe("between two services", () => {
  /** A server that makes a model call for each request, named by an agent of its own when the path says so. */
  async function answering(service: Service): Promise<{ readonly port: number; close(): void }> {
    const server = createServer(async (incoming, outgoing) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
      const agent = incoming.url?.slice(1) ?? "";
      await service.runtime.scoping.scope(agent ? { agent } : {}, () => service.ask());
      outgoing.end("done");
    });
    const port = await listen(server);
    return { port, close: () => server.closeAllConnections() };
  }

  test("a scope goes along to hosts that are named, and what is spent there rolls up to it", async () => {
    const back = await service({ baggage: { accept: true } });
    const { port, close } = await answering(back);
    const front = await service({ team: "search", baggage: { send: [`127.0.0.1:${port}`] } });
    await front.runtime.scoping.scope({ agent: "Chief", run: "r 1", user: "u|1" }, async () => {
      await (await front.fetch(`http://127.0.0.1:${port}/desk`)).text();
      await (await front.fetch(new Request(`http://127.0.0.1:${port}/`), { headers: { baggage: "tenant=7" } })).text();
    });
    const common = { rootAgent: "chief", run: "r 1", user: "u|1", team: "search", key: undefined };
    expect(back.calls.map(({ scope }) => ({ key: undefined, ...scope }))).toEqual([
      { ...common, agent: "desk" },
      { ...common, agent: "chief" },
    ]);
    expect(back.runtime.ledger.sums("agent:chief", "ever", 0)?.calls).toBe(2);
    expect(back.runtime.ledger.sums("agent:desk", "ever", 0)?.calls).toBe(1);
    close();
  });

  test("nothing is sent or accepted by default", async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((incoming, outgoing) => {
      seen.push(incoming.headers.baggage as string | undefined);
      outgoing.end();
    });
    const port = await listen(server);
    const front = await service();
    await front.runtime.scoping.scope({ agent: "chief" }, () => front.fetch(`http://127.0.0.1:${port}/`));
    const other = await service({ baggage: { send: ["elsewhere:1"] } });
    await other.runtime.scoping.scope({ agent: "chief" }, () => other.fetch(`http://127.0.0.1:${port}/`));
    expect(seen).toEqual([undefined, undefined]);

    const back = await service();
    const deaf = await answering(back);
    await (await network(`http://127.0.0.1:${deaf.port}/`, { headers: { baggage: "spendfuse.agents=chief" } })).text();
    expect(back.calls[0]?.scope).toEqual({ agent: "unknown", rootAgent: "unknown" });
    deaf.close();
    server.closeAllConnections();
  });

  test("requests on one connection, at once and one after another, each have their own scope or none", async () => {
    const back = await service({ baggage: { accept: true } });
    const { port, close } = await answering(back);
    const agent = new Agent({ keepAlive: true, maxSockets: 3 });
    const send = (name: string | undefined) =>
      new Promise<void>((resolve, reject) => {
        const headers = name === undefined ? {} : { baggage: `spendfuse.agents=${name}` };
        const outgoing = request({ port, agent, headers, path: `/${name ?? ""}` }, (incoming) => {
          text(incoming).then(() => resolve(), reject);
        });
        outgoing.on("error", reject).end();
      });
    const names = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? undefined : `a${index}`));
    await Promise.all(names.map(send));
    const roots = back.calls.map(({ scope }) => scope.rootAgent).sort();
    expect(roots).toEqual(names.map((name) => name ?? "unknown").sort());
    expect(back.calls.every(({ scope }) => scope.agent === scope.rootAgent)).toBe(true);
    agent.destroy();
    close();
  });

  test("what is told of a request later is told in its scope", async () => {
    const back = await service({ baggage: { accept: true } });
    const server = createServer((incoming, outgoing) => {
      let body = "";
      incoming.on("data", (data) => {
        body += data;
      });
      incoming.on("end", () => back.ask().then(() => outgoing.end(body)));
    });
    const port = await listen(server);
    const send = (agent: string) =>
      network(`http://127.0.0.1:${port}/`, {
        method: "POST",
        body: "x".repeat(100_000),
        headers: { baggage: `spendfuse.agents=${agent}` },
      }).then((answer) => answer.text());
    const names = ["a", "b", "c", "d"];
    expect((await Promise.all(names.map(send))).map(({ length }) => length)).toEqual([
      100_000, 100_000, 100_000, 100_000,
    ]);
    expect(back.calls.map(({ scope }) => scope.agent).sort()).toEqual(names);
    server.closeAllConnections();
  });

  test("a scope around the server stays around requests that bring none", async () => {
    const back = await service({ baggage: { accept: true } });
    const { port, close } = await back.runtime.scoping.scope({ agent: "svc", team: "search" }, () => answering(back));
    const get = (headers: HeadersInit) => network(`http://127.0.0.1:${port}/`, { headers }).then((one) => one.text());
    await get({});
    await get({ baggage: "spendfuse.agents=chief" });
    await get({});
    expect(back.calls.map(({ scope }) => [scope.rootAgent, scope.agent, scope.team])).toEqual([
      ["svc", "svc", "search"],
      ["svc", "chief", "search"],
      ["svc", "svc", "search"],
    ]);
    close();
  });

  test("whatever the path is, and only as far as the host that is named", async () => {
    const elsewhere = createServer((incoming, outgoing) => outgoing.end(String(incoming.headers.baggage)));
    const foreign = await listen(elsewhere);
    const seen: string[] = [];
    const own = createServer((incoming, outgoing) => {
      if (incoming.url === "/away") {
        outgoing.writeHead(302, { location: `http://127.0.0.1:${foreign}/` }).end();
        return;
      }
      seen.push(`${incoming.method} ${incoming.url} ${incoming.headers.baggage}`);
      outgoing.end();
    });
    const port = await listen(own);
    const { runtime, fetch } = await service({ baggage: { send: [`127.0.0.1:${port}`] } });
    await runtime.scoping.scope({ agent: "chief" }, async () => {
      for (const path of ["/messages", "/v1/responses", "/tasks/5/embeddings", "/chat/completions"]) {
        await fetch(`http://127.0.0.1:${port}${path}`);
        await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: '{"text":"mine"}' });
      }
      expect(await (await fetch(`http://127.0.0.1:${port}/away`)).text()).toBe("undefined");
      // What is put there by hand stays.
      const headers = runtime.propagation.inject({});
      const answer = await fetch(`http://127.0.0.1:${foreign}/queue/messages`, { method: "POST", body: "{}", headers });
      expect(await answer.text()).toBe("spendfuse.agents=chief");
    });
    expect(seen).toHaveLength(8);
    expect(seen.filter((line) => !line.endsWith(" spendfuse.agents=chief"))).toEqual([]);
    for (const server of [own, elsewhere]) server.closeAllConnections();
  });

  test("pipelined requests as well", async () => {
    const back = await service({ baggage: { accept: true } });
    const { port, close } = await answering(back);
    const socket = connect(port, "127.0.0.1");
    const lines = (more: string) => `GET / HTTP/1.1\r\nhost: a\r\n${more}\r\n`;
    const last = "baggage: spendfuse.agents=two\r\nconnection: close\r\n";
    socket.write(lines("baggage: spendfuse.agents=one\r\n") + lines("") + lines(last));
    await text(socket);
    expect(back.calls.map(({ scope }) => scope.agent).sort()).toEqual(["one", "two", "unknown"]);
    close();
  });

  test("a queue's message and MCP's _meta carry it from hand to hand", async () => {
    const { runtime, ask, calls } = await service({ agent: "worker" });
    const { scoping, propagation } = runtime;
    const message = scoping.scope({ agent: "chief", conversation: "c1" }, () => propagation.inject({}));
    const meta = scoping.scope({ agent: "host" }, () => propagation.inject({ progressToken: 1, baggage: "tenant=7" }));
    expect(meta).toEqual({ progressToken: 1, baggage: "tenant=7,spendfuse.agents=host" });
    // Over a wire, and handled where nothing is known of it.
    const wire = JSON.parse(JSON.stringify([message, meta, {}, null])) as unknown[];
    for (const carrier of wire) await propagation.extract(carrier, () => scoping.scope({ agent: "helper" }, ask));
    await propagation.extract(message, ask);
    expect(calls.map(({ scope: { agent, rootAgent, conversation } }) => [rootAgent, agent, conversation])).toEqual([
      ["chief", "helper", "c1"],
      ["host", "helper", undefined],
      ["helper", "helper", undefined],
      ["helper", "helper", undefined],
      ["chief", "chief", "c1"],
    ]);
  });
});

describe("a model vendor", () => {
  const OURS = "spendfuse.agents=chief,spendfuse.user=u-1";

  /** OpenTelemetry as a user starts it, with the baggage of a request that came in. */
  function withBaggage<T>(fn: () => T): T {
    startUserTracing();
    otel.setGlobalPropagator({
      inject: (from, carrier, setter) => {
        const entries = otel.getBaggage(from)?.getAllEntries() ?? [];
        if (entries.length > 0)
          setter.set(carrier, "baggage", entries.map(([k, { value }]) => `${k}=${value}`).join(","));
      },
      extract: (into) => into,
      fields: () => ["baggage"],
    });
    const baggage = otel.createBaggage({
      tenant: { value: "7" },
      "spendfuse.agents": { value: "chief" },
      "spendfuse.user": { value: "u-1" },
    });
    return context.with(otel.setBaggage(context.active(), baggage), fn);
  }

  afterEach(() => otel.disable());
  const got = () => vendor.visits.map(({ headers }) => headers.baggage);

  test("never gets it from an SDK that sends the baggage of OpenTelemetry along", async () => {
    vendor.play({
      headers: { "content-type": "application/json" },
      steps: [
        JSON.stringify({
          id: "m",
          type: "message",
          role: "assistant",
          model: "claude-opus-4-8",
          content: [],
          usage: { input_tokens: 5, output_tokens: 7 },
        }),
      ],
    });
    const create = (client: Anthropic) =>
      client.messages.create({
        model: "claude-opus-4-8",
        max_tokens: 9,
        messages: [{ role: "user", content: "Hi" }],
      });
    const options = { apiKey: "k", baseURL: vendor.url };
    await withBaggage(async () => {
      await create(new Anthropic({ ...options, fetch: network }));
      const { fetch } = await service();
      await create(new Anthropic({ ...options, fetch }));
    });
    // Without us it would.
    expect(got()).toEqual([`tenant=7,${OURS}`, "tenant=7"]);
  });

  test("never gets it from a tracing that writes into requests of fetch as they are made", async () => {
    const { ask } = await service();
    const write = (message: unknown) => {
      const { request } = message as { request: { addHeader(name: string, value: string): void } };
      otel.inject(context.active(), request, { set: (to, name, value) => to.addHeader(name, value) });
    };
    subscribe("undici:request:create", write);
    await withBaggage(ask);
    unsubscribe("undici:request:create", write);
    expect(got()).toEqual(["tenant=7"]);
  });

  test("never gets it from a tracing inside of our hook, as Datadog's may be", async () => {
    const { runtime } = await service();
    const inside = runtime.wrapFetch((input, init) =>
      network(input, { ...init, headers: { ...(init?.headers as object), baggage: `tenant=7,${OURS}` } }),
    );
    await inside(`${vendor.url}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "gpt-5", messages: [] }),
    });
    expect(got()).toEqual(["tenant=7"]);
  });

  test("never gets it from a tracing that writes into requests of the undici package", async () => {
    await service({ hosts: [{ host: vendor.host, like: "api.openai.com" }] });
    const write = (message: unknown) => {
      const { request } = message as { request: { addHeader(name: string, value: string): void } };
      otel.inject(context.active(), request, { set: (to, name, value) => to.addHeader(name, value) });
    };
    subscribe("undici:request:create", write);
    await withBaggage(() => undici(`${vendor.url}/v1/models`));
    unsubscribe("undici:request:create", write);
    expect(got()).toEqual(["tenant=7"]);
  });

  test("gets a call whatever its baggage is made of", async () => {
    const { ask, calls } = await service();
    startUserTracing();
    const strange = { getAllEntries: () => [["spendfuse.user", {}]] };
    const key = Symbol.for("OpenTelemetry Baggage Key");
    await context.with(context.active().setValue(key, strange), ask);
    expect(calls).toHaveLength(1);
  });

  test("never gets it from a client that goes around fetch", async () => {
    await service({ hosts: [{ host: vendor.host, like: "api.openai.com" }] });
    await new Promise((resolve) => {
      const headers = { baggage: `${OURS},tenant=7` };
      request(`${vendor.url}/v1/models`, { headers }, resolve).end();
    });
    await new Promise((resolve) => {
      request(`${vendor.url}/v1/models`, { headers: { baggage: OURS } }, resolve).end();
    });
    expect(got()).toEqual(["tenant=7", undefined]);
  });

  test("never gets it, whatever hosts are to have it", async () => {
    const { runtime, fetch, ask } = await service({
      hosts: [{ host: vendor.host, like: "api.openai.com" }],
      baggage: { send: ["*", vendor.host] },
    });
    await runtime.scoping.scope({ agent: "chief", user: "u-1" }, async () => {
      await ask();
      await fetch(`${vendor.url}/v1/models`);
    });
    expect(got()).toEqual([undefined, undefined]);
  });

  test("never gets the headers by which a request says who makes it", async () => {
    const { fetch, calls } = await service();
    const body = JSON.stringify({ model: "gpt-5", messages: [] });
    const headers = { "x-spendfuse-agent": "Bot", "x-spendfuse-user": "u-1", "x-mine": "1" };
    const url = `${vendor.url}/v1/chat/completions`;
    await (await fetch(url, { method: "POST", body, headers })).json();
    await (await fetch(url, { method: "POST", body, headers: new Headers(headers) })).json();
    await (await fetch(new Request(url, { method: "POST", body, headers }))).json();
    for (const visit of vendor.visits) {
      expect(Object.keys(visit.headers).filter((name) => name.startsWith("x-"))).toEqual(["x-mine"]);
      expect(visit.body).toBe(body);
    }
    expect(calls.map(({ scope }) => [scope.agent, scope.user])).toEqual(Array(3).fill(["bot", "u-1"]));
  });

  test("not even with requests that are no calls, or go around fetch", async () => {
    const { fetch } = await service({ hosts: [{ host: vendor.host, like: "api.openai.com" }] });
    const headers = { "x-spendfuse-user": "u-1", "X-Spendfuse-Run": "r", "x-mine": "1" };
    await fetch(`${vendor.url}/v1/models`, { headers: new Headers(headers) });
    await fetch(`${vendor.url}/v1/images/generations`, { method: "POST", body: "{}", headers });
    await network(`${vendor.url}/v1/models`, { headers });
    await new Promise((resolve) => request(`${vendor.url}/v1/models`, { headers }, resolve).end());
    for (const { headers: sent } of vendor.visits) {
      expect(Object.keys(sent).filter((name) => name.startsWith("x-"))).toEqual(["x-mine"]);
    }
    expect(vendor.visits).toHaveLength(4);
  });

  test("gets headers that can be read but once, all of them", async () => {
    const { fetch, calls } = await service();
    const headers = new Map([
      ["authorization", "Bearer k"],
      ["x-spendfuse-agent", "Bot"],
      ["x-mine", "1"],
    ]).entries();
    const body = JSON.stringify({ model: "gpt-5", messages: [] });
    await fetch(`${vendor.url}/v1/chat/completions`, { method: "POST", body, headers } as unknown as RequestInit);
    expect(vendor.visits[0]?.headers).toMatchObject({ authorization: "Bearer k", "x-mine": "1" });
    expect(calls[0]?.scope.agent ?? "open").toMatch(/bot|open/);
  });
});

test("the tests' OpenTelemetry is gone", () => expect(trace.getActiveSpan()).toBeUndefined());
