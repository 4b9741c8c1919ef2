import { tracingChannel } from "node:diagnostics_channel";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Attributes, context, createContextKey, trace } from "@opentelemetry/api";
import type {} from "ai";
import { describe, expect, test } from "vitest";
import type { Scope, ScopeFields } from "../../../src/core/scope.ts";
import * as registry from "../../../src/meter/identity/frameworks/registry.ts";
import { startUserTracing } from "../../known-failures/tracing.ts";
import { cleanUp, inLangchain, inOpenaiAgents, startProcess } from "./process.ts";

cleanUp();

type Spans = readonly (readonly [name: string, attributes: Attributes])[];

/** Runs `fn` inside spans, outermost first. */
function inSpans<T>([first, ...rest]: Spans, fn: () => T): T {
  if (first === undefined) return fn();
  const [name, attributes] = first;
  return trace.getTracer("app").startActiveSpan(name, { attributes }, () => inSpans(rest, fn));
}

const agentsOf = ({ rootAgent, agent }: Scope): string => `${rootAgent} > ${agent}`;

describe("spans that are open around a call name its agent", () => {
  const rows: readonly [says: string, spans: Spans, agents: string][] = [
    ["GenAI conventions", [["invoke_agent x", { "gen_ai.agent.name": "Bot" }]], "bot > bot"],
    ["only by its name", [["invoke_agent researcher", {}]], "researcher > researcher"],
    ["a workflow, before it became an agent", [["w", { "gen_ai.workflow.name": "flow" }]], "flow > flow"],
    [
      "the AI SDK, where an agent has no name",
      [["invoke_agent gpt-5", { "gen_ai.request.model": "gpt-5" }]],
      "unknown > unknown",
    ],
    ["the AI SDK 6", [["ai.generateText", { "ai.telemetry.functionId": "fn" }]], "fn > fn"],
    ["OpenInference", [["Agent", { "openinference.span.kind": "AGENT", "agent.name": "a" }]], "a > a"],
    ["OpenInference, by its span", [["planner", { "openinference.span.kind": "AGENT" }]], "planner > planner"],
    ["OpenInference, a chain", [["chain", { "openinference.span.kind": "CHAIN" }]], "unknown > unknown"],
    ["Traceloop", [["x.agent", { "traceloop.span.kind": "agent", "traceloop.entity.name": "a" }]], "a > a"],
    ["Traceloop, a workflow", [["w", { "traceloop.span.kind": "workflow" }]], "w > w"],
    [
      "Traceloop, a task",
      [["t", { "traceloop.span.kind": "task", "traceloop.entity.name": "t" }]],
      "unknown > unknown",
    ],
    [
      "Mastra, by its bridge",
      [
        ["agent run: 'weather bot'", {}],
        ["llm: 'gpt-5'", {}],
        ["step: 0", {}],
      ],
      "weather_bot > weather_bot",
    ],
    ["Mastra, resumed", [["agent run: 'a' (resumed)", {}]], "a > a"],
    [
      "Google ADK",
      [
        ["invocation", {}],
        ["invoke_agent a", {}],
        ["call_llm", {}],
      ],
      "a > a",
    ],
    [
      "a tree of several",
      [
        ["flow", { "traceloop.span.kind": "workflow" }],
        ["GET /", { "http.request.method": "GET" }],
        ["invoke_agent desk", {}],
        ["execute_tool ask", {}],
        ["invoke_agent reporter", { "gen_ai.agent.name": "reporter" }],
        ["chat gpt-5", { "gen_ai.operation.name": "chat", "gen_ai.agent.name": "reporter" }],
      ],
      "flow > reporter",
    ],
    [
      "spans that say nothing",
      [
        ["GET /", {}],
        ["work", {}],
      ],
      "unknown > unknown",
    ],
  ];
  test.each(rows)("%s", async (_, spans, agents) => {
    startUserTracing();
    const { ask } = await startProcess();
    expect(agentsOf(await inSpans(spans, ask))).toBe(agents);
  });

  test("and the conversation and the user, where they say it", async () => {
    startUserTracing();
    const { ask } = await startProcess();
    const said = await inSpans(
      [
        ["a", { "session.id": "s", "user.id": "u" }],
        ["b", { "gen_ai.conversation.id": "c" }],
      ],
      ask,
    );
    expect(said).toMatchObject({ conversation: "c", user: "u" });
    const kept = context
      .active()
      .setValue(createContextKey("OpenInference SDK Context Key session.id"), "s2")
      .setValue(createContextKey("OpenInference SDK Context Key user.id"), "u2");
    expect(await context.with(kept, () => inSpans([["a", {}]], ask))).toMatchObject({ conversation: "s2", user: "u2" });
  });

  test("also when OpenTelemetry begins after us", async () => {
    const { ask } = await startProcess();
    startUserTracing();
    expect(
      agentsOf(
        await inSpans(
          [
            ["invoke_agent a", {}],
            ["tool", {}],
          ],
          ask,
        ),
      ),
    ).toBe("a > a");
  });
});

describe("a framework's own store names the agent", () => {
  test("OpenAI's Agents SDK: agents around agents, and the group of the trace", async () => {
    const { ask } = await startProcess();
    const scope = await inOpenaiAgents(["chief", "Desk"], { groupId: "g" }, ask);
    expect(scope).toMatchObject({ rootAgent: "chief", agent: "desk", conversation: "g" });
  });

  test.each([
    [
      { lc_agent_name: "bot", langgraph_node: "model", thread_id: "t" },
      { agent: "bot", conversation: "t" },
    ],
    [{ langgraph_node: "plan" }, { agent: "plan" }],
    [
      { agent_name: "a", team: "t", project: "p", run_id: "r", user_id: "u" },
      { agent: "a", team: "t", project: "p", run: "r", user: "u" },
    ],
    [{ unheard: 1 }, { agent: "unknown" }],
  ])("LangChain: %j", async (metadata, expected) => {
    const { ask } = await startProcess();
    expect(await inLangchain(metadata, ask)).toMatchObject(expected);
  });

  test("the AI SDK: its channel around a generation, and its integrations around a model call", async () => {
    const { ask } = await startProcess();
    const told = { event: { functionId: "writer" } };
    const scope = await tracingChannel("ai:telemetry").start.runStores(told, ask);
    expect(agentsOf(scope)).toBe("writer > writer");
    const [integration] = globalThis.AI_SDK_TELEMETRY_INTEGRATIONS ?? [];
    const call = { functionId: "w", execute: ask } as unknown as Parameters<
      NonNullable<NonNullable<typeof integration>["executeLanguageModelCall"]>
    >[0];
    expect(agentsOf((await integration?.executeLanguageModelCall?.(call)) as unknown as Scope)).toBe("w > w");
  });
});

describe("a request names its agent", () => {
  test.each([
    [
      "by headers of ours",
      { headers: { "x-spendfuse-agent": "a", "X-Spendfuse-Team": "t" } },
      { agent: "a", team: "t" },
    ],
    [
      "by metadata",
      { body: { metadata: { agent: "a", session_id: "s", user_id: 7 } } },
      { agent: "a", conversation: "s", user: "7" },
    ],
    ["its user by the field that the vendor has for it", { body: { user: "u" } }, { agent: "unknown", user: "u" }],
    [
      "headers before metadata before user",
      { headers: { "x-spendfuse-user": "1" }, body: { metadata: { user_id: "2" }, user: "3" } },
      { user: "1" },
    ],
    ["metadata before user", { body: { metadata: { user_id: "2" }, user: "3" } }, { user: "2" }],
  ])("%s", async (_, request, expected) => {
    const { ask } = await startProcess();
    expect(await ask(request)).toMatchObject(expected);
  });
});

describe("of two that say something the more explicit is believed, field by field", () => {
  /** From the least to the most explicit; each one says who the agent, the conversation and the user are. */
  const WAYS: readonly (readonly [says: string, run: <T>(fn: (request: object) => T) => T])[] = [
    ["request", (fn) => fn({ headers: { "x-spendfuse-agent": "request", "x-spendfuse-conversation": "request" } })],
    ["span", (fn) => inSpans([["s", { "gen_ai.agent.name": "span", "session.id": "span" }]], () => fn({}))],
    ["framework", (fn) => inOpenaiAgents(["framework"], { groupId: "framework" }, () => fn({}))],
  ];

  test.each<[env: Record<string, string>, ways: readonly string[], agent: string]>([
    [{}, [], "unknown"],
    [{ OTEL_SERVICE_NAME: "service" }, [], "service"],
    [{ OTEL_SERVICE_NAME: "service", DD_SERVICE: "dd" }, [], "dd"],
    [{ OTEL_SERVICE_NAME: "service", SPENDFUSE_AGENT: "default" }, [], "default"],
    [{ SPENDFUSE_AGENT: "default" }, ["request"], "request"],
    [{ SPENDFUSE_AGENT: "default" }, ["request", "span"], "span"],
    [{ SPENDFUSE_AGENT: "default" }, ["request", "span", "framework"], "framework"],
    [{}, ["request", "framework"], "framework"],
  ])("%j with %j: %s", async (env, ways, agent) => {
    startUserTracing();
    const { ask } = await startProcess({}, env);
    const run = WAYS.filter(([says]) => ways.includes(says)).reduce<(request: object) => Promise<Scope>>(
      (inner, [, way]) =>
        (request) =>
          way((more) => inner({ ...request, ...more })),
      ask,
    );
    const scope = await run({});
    expect(scope.agent).toBe(agent);
    if (ways.length > 0) expect(scope.conversation).toBe(ways.at(-1));
  });

  test("a scope() in the code wins over all of them, for the fields that it names", async () => {
    startUserTracing();
    const { ask, runtime } = await startProcess({}, { SPENDFUSE_AGENT: "default", SPENDFUSE_TEAM: "team" });
    const all = () =>
      inSpans([["s", { "gen_ai.agent.name": "span" }]], () => inOpenaiAgents(["framework"], { groupId: "g" }, ask));
    const within = (fields: ScopeFields) => runtime.scoping.scope(fields, all);
    expect(await within({ agent: "mine" })).toMatchObject({
      agent: "mine",
      rootAgent: "mine",
      conversation: "g",
      team: "team",
    });
    expect(await within({ conversation: "c", team: "t" })).toMatchObject({
      agent: "framework",
      conversation: "c",
      team: "t",
    });
    expect(await within({ parents: ["chief"] })).toMatchObject({ agent: "framework", rootAgent: "chief" });
    // Around a framework's agent that makes the call, a scope further out stays its root.
    expect(await inOpenaiAgents(["outer"], {}, () => runtime.scoping.scope({ agent: "mine" }, ask))).toMatchObject({
      agent: "mine",
      rootAgent: "outer",
    });
  });
});

describe("names", () => {
  test("are written as Datadog writes tags; two that collide are reported once", async () => {
    const { ask, said } = await startProcess();
    const bot = (name: string) => inOpenaiAgents([name], {}, ask);
    expect((await bot("Invoice Bot#1")).agent).toBe("invoice_bot_1");
    await bot("invoice bot 1");
    await bot("INVOICE BOT#1");
    expect(said.filter((line) => line.includes("invoice_bot_1"))).toEqual([
      'the agents "Invoice Bot#1" and "invoice bot 1" are both invoice_bot_1 in metrics and budgets; rename one to tell them apart',
    ]);
    await bot("support_bot_eu");
    await bot("Support Bot (EU)");
    expect(said.filter((line) => line.includes('"support_bot_eu" and "Support Bot (EU)"'))).toHaveLength(1);
  });
});

test("a reader that throws never fails a call: the other readers are used", async () => {
  const { ask, runtime } = await startProcess();
  const broken = {
    get active() {
      throw new Error("not this version");
    },
  };
  const slot = Symbol.for("openai.agents.core.asyncLocalStorage");
  (globalThis as { [slot: symbol]: unknown })[slot] = { getStore: () => broken };
  expect((await inLangchain({ lc_agent_name: "bot" }, ask)).agent).toBe("bot");
  expect(runtime.faults.counts().get("identity")).toBeGreaterThan(0);
});

test("every reader has a name of its own, its file's", () => {
  const files = readdirSync(join(import.meta.dirname, "../../../src/meter/identity/frameworks")).filter(
    (file) => file !== "framework.ts" && file !== "registry.ts",
  );
  expect(
    Object.values(registry)
      .map(({ name }) => `${name}.ts`)
      .sort(),
  ).toEqual(files.sort());
});
