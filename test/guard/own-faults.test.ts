import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { isBlocked } from "../../src/guard/blocked.ts";
import { openaiChat } from "../../src/meter/wire/formats/openai-chat.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { answer, chat, type Guarded, guard } from "./guarded.ts";

let server: ModelServer;
let guarded: Guarded | undefined;

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await guarded?.stop();
  guarded = undefined;
});
afterAll(() => server.close());

const budgets = [{ scope: { agent: "*" }, per: "month", usd: 1 }] as const;

function fail(): never {
  throw new Error("injected");
}

test.each([
  ["open", 200],
  ["closed", 402],
] as const)(
  "whenStateUnknown %s decides when a fault of ours keeps a call from being checked",
  async (when, status) => {
    server.play(answer(100, 100));
    guarded = await guard(server, { budgets, whenStateUnknown: when });
    expect((await chat(guarded, server.url)).status).toBe(200);
    vi.spyOn(openaiChat, "readRequest").mockImplementation(fail);
    const before = server.visits.length;
    const response = await chat(guarded, server.url);
    expect(response.status).toBe(status);
    expect(server.visits.length - before).toBe(status === 200 ? 1 : 0);
    if (status === 402) expect(isBlocked(response.json1)).toMatchObject({ unknown: "fault" });
  },
);

test("a request that is nested 9,000 deep is measured, and its budget holds", async () => {
  server.play(answer(100, 100));
  guarded = await guard(server, { budgets: [{ scope: { agent: "*" }, per: "month", calls: 1 }] });
  const tools = "[".repeat(9_000) + "]".repeat(9_000);
  const body = `{"model":"test-model","messages":[{"role":"user","content":"Hi"}],"tools":${tools}}`;
  const send = (): Promise<Response> =>
    (guarded as Guarded).fetch(`${server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
  expect([(await send()).status, (await send()).status, (await send()).status]).toEqual([200, 402, 402]);
  expect(guarded.runtime.faults.counts().size).toBe(0);
});
