import { nestScope, type ScopeNode } from "../../src/core/scope.ts";
import { createGuard } from "../../src/guard/guard.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Ticket } from "../../src/limits/gate.ts";
import { openaiRefusal } from "../../src/meter/wire/openai-error.ts";
import { openMemory } from "../../src/stores/memory.ts";

/** Prints the CPU nanoseconds of a verdict, round by round: `verdicts.ts SCOPES`. Settling is not in them. */
const scopes = Number(process.argv[2]);
const ROUNDS = 30;
/** Calls that are under way at a time. */
const UNDER_WAY = 250;
const BATCHES = 80;

const budgets = readBudget({ scope: { agent: "*" }, per: "month", usd: 1_000_000 });
if (typeof budgets === "string") throw new Error(budgets);
const guard = createGuard({
  budgets,
  mode: "enforce",
  store: openMemory(),
  fed: false,
  whenStateUnknown: "open",
  unpriced: "allow",
  timeoutMs: 50,
  holder: "bench",
  processName: () => "bench",
  approvers: new Set(),
  say: () => {},
  onRefused: () => {},
  onFault: (error) => {
    throw error;
  },
});
const forecast = { tokens: 2_000, costNano: 5_000_000 };
const spent = { tokens: 1_000, costNano: 1_000_000 };
const nodes: ScopeNode[] = Array.from({ length: scopes }, (_, index) =>
  nestScope(undefined, { agent: `agent-${index}`, team: "t" }),
);
const expected = () => forecast;
const none = () => undefined;
const noop = () => {};

function settle(tickets: (Ticket | undefined)[]): void {
  for (const ticket of tickets) ticket?.settle(spent);
}

function admit(node: ScopeNode): Ticket | undefined {
  const passage = guard.admit({
    node,
    refusal: openaiRefusal,
    provider: "openai",
    model: "gpt-5",
    forecast: expected,
    fingerprint: none,
    cut: noop,
  });
  if (passage instanceof Promise || !passage.pass) throw new Error("a call far from its cap did not pass at once");
  return passage.ticket;
}

// Each scope asks its store once before it has something in hand. As many under way as below: V8 would allocate what
// outlives many collections in old space from then on.
for (let round = 0; round < 3; round++) {
  for (let from = 0; from < scopes; from += UNDER_WAY) settle(nodes.slice(from, from + UNDER_WAY).map(admit));
}
const rows: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  let micros = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const chosen = Array.from({ length: UNDER_WAY }, () => nodes[Math.floor(Math.random() * scopes)] as ScopeNode);
    const tickets = new Array<Ticket | undefined>(UNDER_WAY);
    const before = process.cpuUsage();
    for (let index = 0; index < UNDER_WAY; index++) tickets[index] = admit(chosen[index] as ScopeNode);
    const { user, system } = process.cpuUsage(before);
    micros += user + system;
    settle(tickets);
  }
  rows.push((micros * 1_000) / (BATCHES * UNDER_WAY));
}
process.stdout.write(JSON.stringify(rows), () => process.exit());
