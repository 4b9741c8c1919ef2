import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { createRuntime } from "../../../src/process/runtime.ts";

const URL = "https://api.openai.com/v1/responses";
const USAGE = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40 },
  output_tokens: 60,
  output_tokens_details: { reasoning_tokens: 20 },
  total_tokens: 160,
};
const TOTAL = { input: 100, output: 60, cacheRead: 40, reasoning: 20 };

const response = (status: string, more: object = {}) => ({
  id: "resp_1",
  object: "response",
  background: true,
  status,
  model: "gpt-5-mini",
  output: [],
  usage: status === "completed" ? USAGE : null,
  ...more,
});

const event = (type: string, more: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;

/** A runtime over a network that gives these answers, one after the other. */
function open(...answers: (object | string)[]) {
  const runtime = createRuntime(() => {});
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  const inner = async () => {
    const answer = answers.shift();
    const type = typeof answer === "string" ? "text/event-stream" : "application/json";
    const body = typeof answer === "string" ? answer : JSON.stringify(answer);
    return new Response(body, { headers: { "content-type": type } });
  };
  const fetch = runtime.wrapFetch(inner as typeof globalThis.fetch);
  const body = { model: "gpt-5-mini", input: "Think about it for long.", background: true };
  return {
    runtime,
    calls,
    begin: async (more: object = {}) =>
      (await fetch(URL, { method: "POST", body: JSON.stringify({ ...body, ...more }) })).text(),
    retrieve: async (id = "resp_1", query = "") => (await fetch(`${URL}/${id}${query}`)).text(),
    sums: async (account: string) => {
      await runtime.flush();
      return runtime.ledger.sums(account, "ever", Date.now());
    },
  };
}

const tokens = ({ usage }: SettledCall) =>
  usage && { input: usage.input, output: usage.output, cacheRead: usage.cacheRead, reasoning: usage.reasoning };

describe("a response that runs in the background", () => {
  test("is counted once, when it is retrieved, however often it is polled", async () => {
    const { calls, begin, retrieve, sums } = open(
      response("queued"),
      response("queued"),
      response("in_progress"),
      response("completed"),
      response("completed"),
      response("completed"),
    );
    await begin();
    for (const _ of [1, 2, 3, 4, 5]) await retrieve();
    expect(await sums("all")).toMatchObject(TOTAL);
    expect(calls.map(tokens)).toEqual([undefined, TOTAL]);
    expect(calls[0]).toMatchObject({ quality: "unknown", priced: "none" });
    expect(calls[0]).not.toHaveProperty("costUsd");
    expect(calls[1]).toMatchObject({ quality: "reported", ending: "completed", responseId: "resp_1" });
  });

  test("is counted on the scope that began it", async () => {
    const { runtime, calls, begin, retrieve, sums } = open(response("queued"), response("completed"));
    await runtime.scoping.scope({ agent: "researcher", run: "r1" }, () => begin());
    await runtime.scoping.scope({ agent: "poller" }, () => retrieve());
    expect(await sums("run:r1")).toMatchObject(TOTAL);
    expect(await sums("agent:poller")).toBeUndefined();
    expect(calls[1]?.scope.agent).toBe("researcher");
  });

  test("of another process is counted on the scope that retrieves it", async () => {
    const { runtime, retrieve, sums } = open(response("completed"), response("completed"));
    await runtime.scoping.scope({ agent: "poller" }, () => retrieve());
    await retrieve();
    expect(await sums("agent:poller")).toMatchObject({ ...TOTAL, calls: 1 });
  });

  test("that was done when it was asked for is not counted again", async () => {
    const { calls, begin, retrieve, sums } = open(response("completed"), response("completed"));
    await begin();
    await retrieve();
    expect(await sums("all")).toMatchObject({ ...TOTAL, calls: 1 });
    expect(calls).toHaveLength(1);
  });

  test("whose stream broke off is counted by what had passed, and the rest when it is retrieved", async () => {
    const delta = event("response.output_text.delta", {
      delta: "about eighty bytes of text that were seen before the connection was cut, so to say",
    });
    const broken = event("response.created", { response: response("in_progress") }) + delta;
    const { calls, begin, retrieve, sums } = open(broken, response("completed"), response("completed"));
    await begin({ stream: true });
    await retrieve();
    await retrieve();
    expect(calls.map(({ ending, quality }) => [ending, quality])).toEqual([
      ["failed", "estimated"],
      ["completed", "reported"],
    ]);
    expect(calls[0]?.usage?.output).toBeGreaterThan(0);
    expect(calls[0]?.usage?.input).toBeGreaterThan(0);
    expect(await sums("all")).toMatchObject(TOTAL);
  });

  test("whose stream broke off pays once for the tools that it had shown", async () => {
    const search = (id: string) => ({ type: "file_search_call", id });
    const broken =
      event("response.created", { response: response("in_progress") }) +
      event("response.output_item.done", { output_index: 0, item: search("a") });
    const completed = response("completed", { output: [search("a"), search("b")] });
    const { calls, begin, retrieve, sums } = open(broken, completed);
    await begin({ stream: true });
    await retrieve();
    await sums("all");
    expect(calls.map(({ usage }) => usage?.units)).toEqual([{ file_search: 1 }, { file_search: 1 }]);
  });

  test("is streamed again from where it broke off, and counted once", async () => {
    const completed = event("response.completed", { response: response("completed") });
    const { begin, retrieve, sums } = open(
      event("response.created", { response: response("in_progress") }),
      completed,
      completed,
    );
    await begin({ stream: true });
    await retrieve("resp_1", "?stream=true&starting_after=1");
    await retrieve("resp_1", "?stream=true");
    expect(await sums("all")).toMatchObject(TOTAL);
  });

  test("is told from another", async () => {
    const { begin, retrieve, sums } = open(
      response("queued"),
      response("queued", { id: "resp_2" }),
      response("completed"),
      response("completed", { id: "resp_2" }),
    );
    await begin();
    await begin();
    await retrieve();
    await retrieve("resp_2");
    expect(await sums("all")).toMatchObject({ input: 200, output: 120 });
  });
});

describe("a stored response that did not run in the background", () => {
  test("was counted when it was made", async () => {
    const stored = { ...response("completed"), background: false };
    const { calls, begin, retrieve, sums } = open(stored, stored);
    await begin({ background: false });
    await retrieve();
    expect(await sums("all")).toMatchObject({ ...TOTAL, calls: 1 });
    expect(calls).toHaveLength(1);
  });
});
