import { get } from "node:http";
import { nestScope } from "../../src/core/scope.ts";
import { listen } from "../../src/guard/circuits/feed.ts";
import { createGuard, type Guard } from "../../src/guard/guard.ts";
import { openaiRefusal } from "../../src/meter/wire/openai-error.ts";
import { openMemory } from "../../src/stores/memory.ts";
import { openRedis } from "../../src/stores/redis/store.ts";
import type { Store } from "../../src/stores/store.ts";

/** One of the processes of `fan-out.ts`: `listener.ts BARE BREAKER REDIS`. It says when it refuses which agent. */
const [bare = "", breaker = "", redis = ""] = process.argv.slice(2);

function tell(scope: string): void {
  process.send?.({ scope, at: String(process.hrtime.bigint()) });
}

function guardOf(store: Store, fed: boolean): Guard {
  const guard: Guard = createGuard({
    budgets: [],
    mode: "enforce",
    store,
    fed,
    whenStateUnknown: "open",
    unpriced: "allow",
    timeoutMs: 50,
    holder: String(process.pid),
    processName: () => "bench",
    approvers: new Set(),
    say(line) {
      const agent = /^circuit of agent:(\S+) opened/.exec(line)?.[1];
      if (agent === undefined) return;
      const passage = guard.admit({
        node: nestScope(undefined, { agent }),
        refusal: openaiRefusal,
        provider: "openai",
        model: "gpt-5",
        forecast: () => ({ tokens: 0, costNano: 0 }),
        fingerprint: () => undefined,
        cut: () => {},
      });
      if (!(passage instanceof Promise) && !passage.pass) tell(`agent:${agent}`);
    },
    onRefused: () => {},
    onFault: () => {},
  });
  return guard;
}

const events = guardOf(openMemory(), true);
await listen(breaker, events.circuits.feed, () => {});
await events.circuits.known(20_000);
guardOf(await openRedis(redis), false);
await new Promise<void>((resolve) => {
  get(bare, (response) => {
    response.setEncoding("utf8");
    let text = "";
    response.on("data", (chunk: string) => {
      resolve();
      text += chunk;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
        text = text.slice(end + 2);
        if (data !== undefined) tell((JSON.parse(data) as { scope: string }).scope);
      }
    });
  });
});
process.send?.({ ready: true, scope: "", at: "0" });
