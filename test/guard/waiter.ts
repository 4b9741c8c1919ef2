import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { scope, start, stop } from "../../src/index.ts";

/**
 * An app whose calls wait: `waiter.ts STORE VENDOR BUDGETS AHEAD`; its clock is so many milliseconds ahead. Each line on its stdin is an order. `call N` makes so many calls
 * at once; the number of each, and the time, is printed once it is answered. `cpu MS` prints the CPU time of so many
 * milliseconds, in milliseconds. It leaves at `stop`.
 */
const [store = "", vendor = "", budgets = "[]", ahead = "0"] = process.argv.slice(2);
const now = Date.now;
Date.now = () => now() + Number(ahead);

await start({
  telemetry: false,
  env: { SPENDFUSE_CONFIG: "{}" },
  config: {
    store,
    budgets: JSON.parse(budgets),
    whenSpent: { wait: "2m" },
    hosts: [{ host: new URL(vendor).host, like: "api.openai.com" }],
  },
});

const body = JSON.stringify({ model: "test-model", messages: [{ role: "user", content: "Hi" }] });

async function call(number: number): Promise<void> {
  const response = await scope({ agent: "waiter" }, () =>
    fetch(`${vendor}/v1/chat/completions`, { method: "POST", headers: { "x-number": String(number) }, body }),
  );
  await response.text();
  say({ answered: number, status: response.status, at: Date.now() });
}

function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

say({ ready: process.pid });
let made = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const [what, amount = "0"] = line.split(" ");
  if (what === "stop") break;
  if (what === "call") {
    for (const end = made + Number(amount); made < end; made++) void call(made);
    say({ called: made });
  } else {
    const before = process.cpuUsage();
    await wait(Number(amount));
    const { user, system } = process.cpuUsage(before);
    say({ cpuMs: (user + system) / 1_000 });
  }
}
await stop();
process.exit(0);
