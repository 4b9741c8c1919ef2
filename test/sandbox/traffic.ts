import type { Sandbox } from "../../src/sandbox/sandbox.ts";

/** Agents with their root agent, team, model and provider. */
const AGENTS = [
  ["researcher", "researcher", "search", "gpt-5", "openai"],
  ["summarizer", "researcher", "search", "gpt-5-mini", "openai"],
  ["flights", "planner", "travel", "claude-sonnet-4-5", "anthropic"],
  ["hotels", "planner", "travel", "gpt-5-mini", "openai"],
  ["support", "support", "help", "claude-haiku-4-5", "anthropic"],
] as const;
const TOKENS = { input_uncached: 900, cache_read: 600, output: 300, reasoning: 120 };

/** A minute of ordinary traffic, the same for the same minute: busier by day, some streams broken off, some calls failed. */
export function feedMinute({ store, clock }: Sandbox, minute: number): void {
  const now = clock.now();
  const write = (metric: string, type: "count" | "gauge", tags: readonly string[], value: number): void =>
    store.write(metric, type, tags.join(), () => tags, now, value);
  const day = 0.6 + 0.4 * Math.sin((minute / 1_440) * 2 * Math.PI);
  for (const [index, [agent, root, team, model, provider]] of AGENTS.entries()) {
    const calls = Math.round(5 * day + ((minute * 7 + index * 3) % 4));
    const who = [
      `agent:${agent}`,
      `root_agent:${root}`,
      `team:${team}`,
      "project:help",
      `provider:${provider}`,
      `model:${model}`,
      "process:host-1",
    ];
    const reported = [...who, "quality:reported"];
    write("spendfuse.cost", "count", reported, calls * 0.004 * (1 + (index % 3)));
    for (const [type, count] of Object.entries(TOKENS))
      write("spendfuse.tokens", "count", [...reported, `token_type:${type}`], calls * count);
    write("spendfuse.calls", "count", [...reported, "ending:completed", "stream:true", "priced:true"], calls);
    const charged = who.filter((tag) => !/^(provider|model):/.test(tag));
    write(
      "spendfuse.charges",
      "count",
      [...charged, index % 2 === 0 ? "what:web_search" : "what:scrape"],
      calls * 0.002,
    );
    if ((minute + index) % 5 === 0)
      write(
        "spendfuse.calls",
        "count",
        [...who, "quality:estimated", "ending:canceled", "stream:true", "priced:true"],
        1,
      );
    if ((minute + index) % 11 === 0)
      write("spendfuse.calls", "count", [...who, "quality:unknown", "ending:failed", "stream:false", "priced:none"], 2);
    const budget = ["budget:agent day", `scope:agent:${agent}`, `agent:${agent}`, "process:host-1"];
    write("spendfuse.budget.limit", "gauge", budget, 20);
    write("spendfuse.budget.used_ratio", "gauge", budget, ((minute % 1_440) / 1_440) * (0.4 + index * 0.14));
  }
  if (minute % 90 < 12) {
    const who = ["agent:summarizer", "root_agent:researcher", "team:search", "process:host-1"];
    write("spendfuse.circuit.open", "gauge", [...who, "scope:agent:summarizer", "source:budget"], 1);
    write("spendfuse.blocked_calls", "count", [...who, "reason:budget", "mode:enforce"], 3);
  }
  write("spendfuse.guard.up", "gauge", ["mode:enforce", "process:host-1"], 1);
  write("spendfuse.spool.pending", "gauge", ["process:host-1"], minute % 240 === 0 ? 3 : 0);
  if (minute % 5 === 0) feedBill(write, minute);
}

function feedBill(
  write: (metric: string, type: "gauge", tags: readonly string[], value: number) => void,
  minute: number,
): void {
  for (const [vendor, model, drift] of [
    ["openai", "gpt-5", -0.03],
    ["anthropic", "claude-sonnet-4-5", 0.06],
  ] as const) {
    const tags = [`vendor:${vendor}`, "project:help", "key:prod"];
    write("spendfuse.poll.lag", "gauge", [`vendor:${vendor}`], 200 + (minute % 60));
    write("spendfuse.billed.month_to_date", "gauge", [...tags, `model:${model}`], 40 + minute * 0.05);
    const billed = 40 + minute * 0.05;
    const ungoverned = vendor === "openai" ? 12 : 0;
    write("spendfuse.billed.month_projection", "gauge", [...tags, `model:${model}`], billed * 1.2);
    write("spendfuse.billed.lag", "gauge", [`vendor:${vendor}`], 40_000);
    const metered = (billed - ungoverned) / (1 + drift);
    write("spendfuse.metered.month_to_date", "gauge", [...tags, `model:${model}`, "agent:support"], metered);
    write("spendfuse.drift_ratio", "gauge", [...tags, `model:${model}`], drift);
    write("spendfuse.ungoverned_cost", "gauge", tags, vendor === "openai" ? 12 : 0);
    if (minute % 1_440 === 0) write("spendfuse.billed.cost", "gauge", [...tags, `model:${model}`], 36);
  }
}
