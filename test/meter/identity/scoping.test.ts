import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { nestScope, normalizeTag, type ScopeFields } from "../../../src/core/scope.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

const COMPLETION = {
  id: "c1",
  object: "chat.completion",
  model: "gpt-5-mini",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 },
};

let runtime: Runtime;
let calls: SettledCall[];
let fetches: number;
let metered: typeof fetch;

beforeEach(() => {
  runtime = createRuntime(() => {});
  calls = [];
  fetches = 0;
  runtime.listeners.add((call) => calls.push(call));
  metered = runtime.wrapFetch((async () => {
    fetches += 1;
    return Response.json(COMPLETION, { headers: { "x-request-id": "req_1" } });
  }) as typeof fetch);
});

const scope = <T>(fields: ScopeFields, fn: () => T): T => runtime.scoping.scope(fields, fn);

async function spend(run?: string): Promise<void> {
  const body = JSON.stringify({ model: "gpt-5-mini", messages: [] });
  const fetched = () => metered("https://api.openai.com/v1/chat/completions", { method: "POST", body });
  await (await (run === undefined ? fetched() : scope({ run }, fetched))).json();
}

async function sums(): Promise<Record<string, number>> {
  await runtime.flush();
  const accounts = [...runtime.ledger.accounts()].map((name) => [name, runtime.ledger.sums(name, "ever", 0)?.calls]);
  return Object.fromEntries(accounts);
}

async function agents(): Promise<string[]> {
  await runtime.flush();
  return calls.map(({ scope: { agent, rootAgent } }) => `${rootAgent}/${agent}`);
}

describe("a scope", () => {
  test("nests, inherits, and rolls up to those around it", async () => {
    await scope({ agent: "Lead", team: "search", run: "r1" }, async () => {
      await spend();
      await scope({ agent: "researcher", project: "p" }, async () => {
        await spend();
        await scope({ user: "U 1", conversation: "C", key: "alias" }, () => spend());
      });
    });
    expect(await sums()).toEqual({
      all: 3,
      "agent:lead": 3,
      "team:search": 3,
      "run:r1": 3,
      "agent:researcher": 2,
      "project:p": 2,
      "user:U 1": 1,
      "conversation:C": 1,
      "key:alias": 1,
    });
    expect(await agents()).toEqual(["lead/lead", "lead/researcher", "lead/researcher"]);
    expect(calls[2]?.scope).toEqual({
      agent: "researcher",
      rootAgent: "lead",
      team: "search",
      project: "p",
      run: "r1",
      user: "U 1",
      conversation: "C",
      key: "alias",
    });
  });

  test("adds up once where inner and outer name the same", async () => {
    await scope({ agent: "a", team: "t" }, () => scope({ agent: "a" }, () => scope({ team: "t" }, () => spend())));
    expect(await sums()).toEqual({ all: 1, "agent:a": 1, "team:t": 1 });
  });

  test("of another team rolls up to both", async () => {
    await scope({ agent: "a", team: "one" }, () => scope({ team: "two" }, () => spend()));
    expect(await sums()).toEqual({ all: 1, "agent:a": 1, "team:one": 1, "team:two": 1 });
    expect(calls[0]?.scope.team).toBe("two");
  });

  test("ends where its function ends", async () => {
    await scope({ agent: "a" }, () => spend());
    await spend();
    expect(await agents()).toEqual(["a/a", "unknown/unknown"]);
  });

  test("without an agent leaves the agent to the first scope inside that has one", async () => {
    await scope({ team: "t" }, () => scope({ agent: "a" }, () => scope({ agent: "b" }, () => spend())));
    expect(await agents()).toEqual(["a/b"]);
    expect(await sums()).toEqual({ all: 1, "team:t": 1, "agent:a": 1, "agent:b": 1 });
  });

  test.each([{}, { agent: "" }, { agent: undefined }, { agent: null }, undefined, null, 5, { agent: 5, other: {} }])(
    "given %j still runs its function",
    async (fields) => {
      expect(scope(fields as never, () => "result")).toBe("result");
      await scope(fields as never, () => spend());
      expect(await agents()).toEqual(
        fields && (fields as { agent?: unknown }).agent === 5 ? ["5/5"] : ["unknown/unknown"],
      );
    },
  );

  test("is kept apart from two hundred others that run at the same time", async () => {
    const wait = async (n: number): Promise<void> => {
      for (let i = 0; i < n % 7; i += 1) await turn();
    };
    await Promise.all(
      Array.from({ length: 50 }, (_, a) =>
        scope({ agent: `a${a}` }, async () => {
          await wait(a);
          await Promise.all(
            Array.from({ length: 4 }, (_, b) =>
              scope({ agent: `b${b}` }, async () => {
                await wait(a * b);
                await spend(`${a}-${b}`);
              }),
            ),
          );
        }),
      ),
    );
    await runtime.flush();
    const seen = calls.map(({ scope: { agent, rootAgent, run } }) => `${run} ${rootAgent} ${agent}`).sort();
    const expected = Array.from({ length: 200 }, (_, n) => [Math.floor(n / 4), n % 4]);
    expect(seen).toEqual(expected.map(([a, b]) => `${a}-${b} a${a} b${b}`).sort());
    const all = await sums();
    expect([all["agent:a7"], all["agent:b3"], all.all]).toEqual([4, 50, 200]);
  });
});

describe("defaults of the environment", () => {
  const start = (env: Record<string, string>) => runtime.start({ telemetry: false, env }).then(() => runtime.stop());

  test("hold outside of any scope", async () => {
    await start({ SPENDFUSE_AGENT: "Service", SPENDFUSE_TEAM: "search", SPENDFUSE_PROJECT: "p" });
    await spend();
    expect(await sums()).toEqual({ all: 1, "agent:service": 1, "team:search": 1, "project:p": 1 });
  });

  test("are no scope of their own: the outermost scope is the root, and nothing rolls up to them", async () => {
    await start({ SPENDFUSE_AGENT: "service", SPENDFUSE_TEAM: "search" });
    await scope({ agent: "a" }, () => scope({ agent: "b" }, () => spend()));
    expect(await agents()).toEqual(["a/b"]);
    expect(await sums()).toEqual({ all: 1, "team:search": 1, "agent:a": 1, "agent:b": 1 });
  });

  test("fill what the outermost scope leaves open", async () => {
    await start({ SPENDFUSE_AGENT: "service", SPENDFUSE_TEAM: "search" });
    await scope({ team: "other" }, () => spend());
    expect(await sums()).toEqual({ all: 1, "agent:service": 1, "team:other": 1 });
  });

  test("are those of the last start", async () => {
    await start({ SPENDFUSE_AGENT: "service", SPENDFUSE_TEAM: "search" });
    await start({ SPENDFUSE_AGENT: "second" });
    await spend();
    expect(await sums()).toEqual({ all: 1, "agent:second": 1 });
  });
});

describe("a scope is carried", () => {
  test("by bind into handlers, with this and arguments", async () => {
    const emitter = new EventEmitter();
    const done = Promise.withResolvers<unknown>();
    scope({ agent: "a" }, () => {
      emitter.on(
        "job",
        runtime.scoping.bind(function (this: unknown, ...args: unknown[]) {
          done.resolve(spend().then(() => [this, ...args]));
        }),
      );
    });
    scope({ agent: "other" }, () => emitter.emit("job", 1, "two"));
    expect(await done.promise).toEqual([emitter, 1, "two"]);
    expect(await agents()).toEqual(["a/a"]);
  });

  test("by bind out of any scope", async () => {
    const outside = runtime.scoping.bind(() => spend());
    await scope({ agent: "a" }, outside);
    expect(await agents()).toEqual(["unknown/unknown"]);
  });

  test("into every step of async generators, wherever they are read", async () => {
    async function* work(): AsyncGenerator<number, string> {
      for (let n = 0; n < 3; n += 1) {
        await spend();
        yield n;
      }
      return "end";
    }
    const generators = ["a", "b"].map((agent) => scope({ agent }, work));
    const seen: unknown[] = [];
    for (let step = 0; step < 4; step += 1) {
      for (const generator of generators) seen.push(await scope({ agent: "reader" }, () => generator.next()));
    }
    expect(seen).toHaveLength(8);
    expect(seen.at(-1)).toEqual({ done: true, value: "end" });
    expect(await agents()).toEqual(["a/a", "b/b", "a/a", "b/b", "a/a", "b/b"]);
  });

  test("into synchronous generators, their cleanup and what is thrown into them", async () => {
    const pending: Promise<void>[] = [];
    function* work(): Generator<number, void, unknown> {
      try {
        pending.push(spend());
        yield 1;
        yield 2;
      } catch {
        pending.push(spend());
        yield 3;
      } finally {
        pending.push(spend());
      }
    }
    for (const _ of scope({ agent: "broken off" }, work)) break;
    const thrown = scope({ agent: "thrown into" }, work);
    thrown.next();
    expect(thrown.throw(new Error("in"))).toEqual({ done: false, value: 3 });
    expect(thrown.return()).toEqual({ done: true, value: undefined });
    await Promise.all(pending);
    const [one, two] = ["broken_off/broken_off", "thrown_into/thrown_into"];
    expect(await agents()).toEqual([one, one, two, two, two]);
  });

  test("and a generator stays the caller's own object", () => {
    const generator = (function* () {
      yield 1;
    })();
    expect(scope({ agent: "a" }, () => generator)).toBe(generator);
    expect([...generator]).toEqual([1]);
    expect(() => generator.throw(new RangeError("mine"))).toThrow(RangeError);
  });
});

describe("what a scope returns is what its function returned", () => {
  // biome-ignore lint/suspicious/noThenProperty: values that look like promises are what this is about
  test.each([undefined, null, 0, "", Symbol.iterator, [1], new Date(), { then: 5 }])("%s", (value) => {
    expect(scope({ agent: "a" }, () => value)).toBe(value);
  });

  test("a thenable, unasked", () => {
    const lazy = {
      asked: 0,
      // biome-ignore lint/suspicious/noThenProperty: must never be read
      then() {
        this.asked += 1;
      },
    };
    expect(scope({ agent: "a" }, () => lazy)).toBe(lazy);
    expect(lazy.asked).toBe(0);
  });

  test("an SDK's own promise, asked once, with withResponse and asResponse", async () => {
    const client = new OpenAI({ apiKey: "k", fetch: metered, maxRetries: 0 });
    const create = () =>
      client.chat.completions.create({ model: "gpt-5-mini", messages: [{ role: "user", content: "hi" }] });
    const direct = create();
    const promise = scope({ agent: "a" }, create);
    expect(promise.constructor).toBe(direct.constructor);
    expect(promise.constructor).not.toBe(Promise);
    const { data, response, request_id } = await promise.withResponse();
    expect(data.choices[0]?.message.content).toBe("hi");
    expect([response.status, request_id]).toEqual([200, "req_1"]);
    expect((await promise).usage?.total_tokens).toBe(12);
    const raw = await scope({ agent: "b" }, create).asResponse();
    expect(await raw.json()).toEqual(COMPLETION);
    await direct;
    expect(fetches).toBe(3);
    expect(await agents()).toEqual(expect.arrayContaining(["unknown/unknown", "a/a", "b/b"]));
    expect(calls).toHaveLength(3);
  });

  test("an error, the very one", async () => {
    const error = Object.freeze(new RangeError("mine"));
    const thrown = () => {
      throw error;
    };
    expect(() => scope({ agent: "a" }, thrown)).toThrow(error);
    for (const reason of [error, undefined, null, "text"]) {
      const result = scope({ agent: "a" }, () => Promise.reject(reason));
      expect(
        await result.then(
          () => "value",
          (got: unknown) => [got],
        ),
      ).toEqual([reason]);
    }
    expect(await scope({ agent: "a" }, async () => thrown()).catch((got: unknown) => got)).toBe(error);
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      thrown();
    }
    const generator = scope({ agent: "a" }, failing);
    await generator.next();
    expect(await generator.next().catch((got: unknown) => got)).toBe(error);
    expect(await generator.next()).toEqual({ done: true, value: undefined });
  });

  const SDK = `
    import OpenAI from "openai";
    const client = new OpenAI({ apiKey: "k", maxRetries: 0, fetch: () => { throw new Error("unheard"); } });
    const create = () => client.chat.completions.create({ model: "m", messages: [] });`;

  test.each([
    ["an unhandled rejection of an SDK ends the process", `${SDK} scope(f, create);`, 1],
    ["and one that is only half handled", `${SDK} scope(f, create).then(() => {});`, 1],
    ["but not a handled one", `${SDK} scope(f, create).asResponse().catch(() => {});`, 0],
    ["an unhandled rejection ends the process", "scope(f, async () => { throw new Error('unheard') });", 1],
    ["one that is handled does not", "scope(f, async () => { throw new Error('unheard') }).catch(() => {});", 0],
    [
      "of an SDK's own promise as well",
      "class Own extends Promise {} scope(f, () => Own.reject(new Error('unheard')));",
      1,
    ],
    [
      "and a handled one of those",
      "class Own extends Promise {} scope(f, () => Own.reject(new Error('unheard'))).catch(() => {});",
      0,
    ],
  ])("%s", async (_name, program, code) => {
    const index = fileURLToPath(new URL("../../../src/index.ts", import.meta.url));
    const source = `import { scope } from ${JSON.stringify(index)}; const f = { agent: "a" }; ${program}`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      cwd: fileURLToPath(new URL("../../..", import.meta.url)),
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk) => (stderr += chunk));
    const exit = await new Promise((resolve) => child.on("close", resolve));
    expect(exit).toBe(code);
    if (code === 1) expect(stderr).toContain("Error: unheard");
    else expect(stderr).toBe("");
  });
});

describe("tags are written as Datadog writes them", () => {
  const TAGS: readonly (readonly [given: string, tag: string])[] = [
    ["researcher", "researcher"],
    ["Invoice Bot#1", "invoice_bot_1"],
    ["  Lead  ", "lead"],
    ["a/b-c:d.e_f", "a/b-c:d.e_f"],
    ["a  ,; b", "a_b"],
    ["ÜBER Agent", "über_agent"],
    ["研究员 7", "研究员_7"],
    ["team:", "team"],
    ["team:::", "team"],
    ["", "unknown"],
    ["   ", "unknown"],
    [":", "unknown"],
    // 200 characters with the longest key, `root_agent:`.
    ["x".repeat(300), "x".repeat(189)],
    [`${"x".repeat(188)}: y`, `${"x".repeat(188)}`],
    [`${"x".repeat(188)}𐐨𐐨`, `${"x".repeat(188)}𐐨`],
    ["Support Bot (EU)", "support_bot_eu"],
    ["a__b", "a_b"],
    ["a_ _b", "a_b"],
    ["trailing_", "trailing"],
    ["trailing_:_", "trailing"],
    ["_leading", "_leading"],
    ["line\nbreak\ttab", "line_break_tab"],
  ];

  test.each(TAGS)("%j", (given, tag) => {
    expect(normalizeTag(given)).toBe(tag);
    expect(normalizeTag(tag)).toBe(tag);
  });

  test("only where they become tags", () => {
    const { scope: made } = nestScope(undefined, {
      agent: "A B",
      team: "T T",
      project: "P P",
      key: "K K",
      run: "R R",
      user: "U U",
    });
    expect(made).toEqual({
      agent: "a_b",
      rootAgent: "a_b",
      team: "t_t",
      project: "p_p",
      key: "k_k",
      run: "R R",
      user: "U U",
    });
  });
});

describe("tags", () => {
  const body = JSON.stringify({ model: "gpt-5-mini", messages: [] });

  test("come from scopes, then headers, then the environment, and are taken off the request", async () => {
    const said: string[] = [];
    const sent: Headers[] = [];
    const own = createRuntime((line) => said.push(line));
    const env = { SPENDFUSE_CONFIG: '{"tags":["customer","feature","release"]}', SPENDFUSE_TAG_RELEASE: "2.0" };
    await own.start({ telemetry: false, env: { ...env, SPENDFUSE_QUIET: "1" } });
    const settled: SettledCall[] = [];
    own.listeners.add((call) => settled.push(call));
    const inner = (async (_: unknown, init: RequestInit) => {
      sent.push(new Headers(init.headers));
      return Response.json(COMPLETION);
    }) as typeof fetch;
    const hooked = own.wrapFetch(inner);
    const ask = async (headers: Record<string, string>) =>
      (await hooked("https://api.openai.com/v1/chat/completions", { method: "POST", body, headers })).json();
    const headers = { "x-spendfuse-tag-customer": "Other", "x-spendfuse-tag-feature": "Chat" };
    await own.scoping.scope({ agent: "a", tags: { customer: "Acme", custmer: "x" } }, async () => {
      await ask(headers);
      await own.scoping.scope({ tags: { feature: "search", custmer: "y" } }, () => ask(headers));
    });
    await ask({});
    await own.flush();
    expect(settled.map(({ scope: { tags } }) => tags)).toEqual([
      { customer: "acme", feature: "chat", release: "2.0" },
      { customer: "acme", feature: "search", release: "2.0" },
      { release: "2.0" },
    ]);
    expect([...(sent[0] as Headers)]).toEqual([]);
    expect(said).toEqual([expect.stringContaining('the tag "custmer" is ignored')]);
    expect(own.ledger.sums("customer:acme", "ever", 0)?.calls).toBe(2);
    await own.stop();
  });

  test("that were not declared when a scope was first entered are once they are", async () => {
    const own = createRuntime(() => {});
    const env = { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" };
    await own.start({ telemetry: false, env });
    const charged = () => own.scoping.scope({ tags: { customer: "acme" } }, () => own.charge({ usd: 1, what: "x" }));
    own.scoping.scope({ tags: { customer: "acme" } }, () => {});
    await own.start({ telemetry: false, env, config: { tags: ["customer"] } });
    charged();
    expect(own.ledger.sums("customer:acme", "ever", 0)?.charges).toBe(1e9);
    await own.stop();
  });
});
