import { context, propagation, trace } from "@opentelemetry/api";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { collectMetrics, startUserTracing, stopUserTelemetry } from "../../known-failures/tracing.ts";
import { cleanUp, inLangchain, inOpenaiAgents, type Process, startProcess } from "./process.ts";

cleanUp();
afterEach(() => propagation.disable());

const RUNS = 40 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);

interface Ids {
  readonly user: string;
  readonly conversation: string;
  readonly run: string;
}
interface Request {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}
type Ask = (request: Request) => Promise<unknown>;
type Way = (ids: Ids, ask: Ask, process: Process) => Promise<unknown>;

/** Every way by which ids come to a call: each makes it with these around it. */
const WAYS: Readonly<Record<string, Way>> = {
  scope: (ids, ask, { runtime }) => runtime.scoping.scope({ ...ids, agent: "a" }, () => ask({})),
  openaiAgents: ({ conversation, run, user }, ask) =>
    inOpenaiAgents(["a"], { groupId: conversation, traceId: run, metadata: { user } }, () => ask({})),
  langchain: ({ conversation, run, user }, ask) =>
    inLangchain({ lc_agent_name: "a", thread_id: conversation, run_id: run, user_id: user }, () => ask({})),
  spans: ({ user, conversation }, ask) => {
    const attributes = { "gen_ai.conversation.id": conversation, "session.id": conversation, "user.id": user };
    return trace.getTracer("app").startActiveSpan("invoke_agent a", { attributes }, () => ask({}));
  },
  headers: ({ user, conversation, run }, ask) =>
    ask({ headers: { "x-spendfuse-user": user, "x-spendfuse-conversation": conversation, "x-spendfuse-run": run } }),
  metadata: ({ user, conversation, run }, ask) =>
    ask({ body: { user, metadata: { user_id: user, session_id: conversation, run_id: run } } }),
  message: (ids, ask, { runtime }) => {
    const message = runtime.scoping.scope({ ...ids, agent: "a" }, () => runtime.propagation.inject({}));
    return runtime.propagation.extract(message, () => ask({}));
  },
  baggageOfOpentelemetry: ({ user, run }, ask) => {
    const baggage = propagation.createBaggage({ "spendfuse.user": { value: user }, "spendfuse.run": { value: run } });
    return context.with(propagation.setBaggage(context.active(), baggage), () => ask({}));
  },
  baggageHeader: ({ user, run }, ask) =>
    ask({ headers: { baggage: `spendfuse.user=${user},tenant=7,spendfuse.run=${run}` } }),
};
const NAMES = Object.keys(WAYS);

/** A call with the ids of each of these ways around it, all at once. */
function askBy(names: readonly string[], idsOf: (name: string) => Ids, key: string, process: Process): Ask {
  const plain: Ask = ({ headers, body = {} }) =>
    process.ask({ headers: { ...headers, authorization: `Bearer ${key}` }, body });
  return names.reduce<Ask>((inner, name) => {
    const way = WAYS[name] as Way;
    return (request) => {
      const ask: Ask = ({ headers, body }) =>
        inner({ headers: { ...request.headers, ...headers }, body: { ...request.body, ...body } });
      return way(idsOf(name), ask, process);
    };
  }, plain);
}

test("no id of a user, a conversation, a run or a key reaches a metric or a vendor, on whatever way it came", async () => {
  const count = 3 * NAMES.length + 1;
  const texts = fc.uniqueArray(fc.uuid(), { minLength: count, maxLength: count });
  const metered = new Set<string>();

  const property = fc.asyncProperty(fc.shuffledSubarray(NAMES, { minLength: 1 }), texts, async (names, secret) => {
    const key = secret[count - 1] as string;
    const idsOf = (name: string): Ids => {
      const [user = "", conversation = "", run = ""] = secret.slice(3 * NAMES.indexOf(name));
      return { user, conversation, run };
    };
    startUserTracing();
    const metrics = collectMetrics();
    const process = await startProcess({
      budgets: [
        { name: "run", scope: { agent: "*" }, per: "run", usd: 5 },
        { name: "user", scope: { user: "*" }, per: "hour", usd: 5 },
        { name: "conversation", scope: { conversation: "*" }, per: "day", calls: 900 },
        { name: "agent", scope: { agent: "*" }, per: "hour", usd: 5 },
      ],
    });
    await askBy(names, idsOf, key, process)({});

    const points = await metrics.read();
    expect(points.length).toBeGreaterThan(4);
    const shown = JSON.stringify(points);
    for (const text of secret) expect(shown).not.toContain(text);
    // The key is the vendor's, and what a caller writes into a body is the caller's.
    const own = new Set([key, ...(names.includes("metadata") ? Object.values(idsOf("metadata")) : [])]);
    const [sent = ""] = process.sent;
    for (const text of secret) if (!own.has(text)) expect(sent).not.toContain(text);
    if (names.includes("baggageHeader")) expect(sent).toContain("tenant=7");
    // They were there to be leaked.
    const { user, conversation, run } = process.calls[0]?.scope ?? {};
    for (const text of [user, conversation, run]) {
      if (text === undefined) continue;
      expect(secret).toContain(text);
      metered.add(text);
    }
    await process.runtime.stop();
    stopUserTelemetry();
  });

  await fc.assert(property, { numRuns: RUNS });
  expect(metered.size).toBeGreaterThan(RUNS);
});
