import { describe, expect, test } from "vitest";
import { expectNear, meter } from "./metered.ts";
import { serve } from "./server.ts";
import { chatHalf, HALF, OPENAI_MODEL } from "./vendors.ts";

const messages = [{ role: "user" as const, content: "What is a harbour?" }];
const chat = { model: OPENAI_MODEL, messages, stream: true } as const;

const server = await serve();

describe('litellm#27639, #40050, #36926, #27735, PR 30522: false "exceeded": reservation leaks on cancelled streams', () => {
  // Reservations are the guard's. What it settles them by is the meter's: each canceled call, once, at its estimate.
  test("a cancel settles to the estimate, for every one of many at once", async () => {
    server.play(chatHalf);
    const metered = meter(server);
    const cancel = async (way: number) => {
      const abort = new AbortController();
      const stream = await metered.openai.chat.completions.create(chat, { signal: abort.signal });
      let text = "";
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        if (text !== HALF) continue;
        if (way % 2 === 0) break;
        abort.abort();
      }
    };
    await metered.runtime.scoping.scope({ agent: "researcher" }, () =>
      Promise.all(Array.from({ length: 20 }, (_, i) => cancel(i))),
    );
    const calls = await metered.settled(20);
    for (const call of calls) {
      expect(call).toMatchObject({ ending: "canceled", quality: "estimated", priced: "true" });
      expectNear(call.usage?.output, HALF);
    }
    const cost = calls.reduce((sum, { costUsd = 0 }) => sum + Math.round(costUsd * 1e9), 0);
    expect(cost).toBeGreaterThan(0);
    // Nothing is left open: a flush finds nothing more to settle.
    await metered.runtime.flush();
    expect(metered.calls).toHaveLength(20);
    expect(metered.sums("agent:researcher")).toMatchObject({ calls: 20, cost });
  });
});
