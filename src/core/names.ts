/** Every name that leaves the process: metrics with their unit and attributes, and span attributes. */
export interface MetricName {
  readonly name: string;
  readonly unit: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly description: string;
  readonly attributes: readonly string[];
}

const SCOPE = ["agent", "root_agent", "team", "project"] as const;
const CIRCUIT = ["scope", ...SCOPE, "key"] as const;
const BUDGET_GAUGE = { kind: "gauge", attributes: [...CIRCUIT, "budget", "process"] } as const;
const BILL = ["vendor", "project", "key", "model", "agent"] as const;
const LAG = { unit: "s", kind: "gauge", attributes: ["vendor"] } as const;
const BILL_GAUGE = { unit: "USD", kind: "gauge", attributes: BILL } as const;
/** `priced` is on those of calls on a subscription's login alone, as `plan`. */
const SPEND = [...SCOPE, "provider", "model", "quality", "priced", "process"] as const;

export const METRICS = {
  cost: {
    name: "spendfuse.cost",
    unit: "USD",
    kind: "counter",
    description: "Cost of settled model calls",
    attributes: SPEND,
  },
  charges: {
    name: "spendfuse.charges",
    unit: "USD",
    kind: "counter",
    description: "Charges that are no model call, such as paid searches: with spendfuse.cost the whole spend",
    attributes: [...SCOPE, "what", "process"],
  },
  tokens: {
    name: "spendfuse.tokens",
    unit: "{token}",
    kind: "counter",
    description: "Tokens of settled model calls, by kinds that never overlap",
    attributes: [...SPEND, "token_type"],
  },
  calls: {
    name: "spendfuse.calls",
    unit: "{call}",
    kind: "counter",
    description: "Settled model calls, by how they ended",
    attributes: [...SCOPE, "provider", "model", "ending", "quality", "stream", "priced", "process"],
  },
  settledCalls: {
    name: "spendfuse.settled_calls",
    unit: "{call}",
    kind: "counter",
    description: "Calls of estimated or unknown usage that settled, because the vendor said more later",
    attributes: [...SCOPE, "provider", "model", "process"],
  },
  overestimatedCost: {
    name: "spendfuse.overestimated_cost",
    unit: "USD",
    kind: "counter",
    description: "What estimates of settled calls were too high by; what they were too low by is in spendfuse.cost",
    attributes: SPEND,
  },
  overestimatedTokens: {
    name: "spendfuse.overestimated_tokens",
    unit: "{token}",
    kind: "counter",
    description: "What estimates of settled calls were too high by; what they were too low by is in spendfuse.tokens",
    attributes: [...SPEND, "token_type"],
  },
  blockedCalls: {
    name: "spendfuse.blocked_calls",
    unit: "{call}",
    kind: "counter",
    description: "Model calls that were refused, or in shadow mode would have been",
    attributes: ["agent", "root_agent", "team", "reason", "mode", "process"],
  },
  circuitOpen: {
    name: "spendfuse.circuit.open",
    unit: "{circuit}",
    kind: "gauge",
    description: "1 while a circuit refuses calls, 0 when it closed",
    attributes: [...CIRCUIT, "source", "process"],
  },
  budgetUsed: {
    name: "spendfuse.budget.used_ratio",
    unit: "1",
    ...BUDGET_GAUGE,
    description: "Spent share of a budget in its window",
  },
  budgetLimit: {
    name: "spendfuse.budget.limit",
    unit: "USD",
    ...BUDGET_GAUGE,
    description: "Cap of a budget of money in its window; times spendfuse.budget.used_ratio it is what was spent",
  },
  budgetProjection: {
    name: "spendfuse.budget.month_projection",
    unit: "USD",
    ...BUDGET_GAUGE,
    description: "Spend of a budget of money at its month's end, at its mean pace; for the first fifth what is spent",
  },
  guardUp: {
    name: "spendfuse.guard.up",
    unit: "{guard}",
    kind: "gauge",
    description: "1 while a guard has current budgets and circuits, 0 while it cannot connect to its store or breaker",
    attributes: ["mode", "process"],
  },
  breakerArmed: {
    name: "spendfuse.breaker.armed",
    unit: "{breaker}",
    kind: "gauge",
    description: "1 while every monitor that opens circuits is there and not muted, 0 otherwise; sent by the breaker",
    attributes: ["problem"],
  },
  unmeteredCalls: {
    name: "spendfuse.unmetered_calls",
    unit: "{call}",
    kind: "counter",
    description:
      "Requests to model APIs that cost money and were not metered: they bypassed the hook, or are not parsed",
    attributes: ["api_host", "process"],
  },
  billedCost: {
    name: "spendfuse.billed.cost",
    ...BILL_GAUGE,
    description: "Vendor's bill, a point a day at the day's start in UTC",
  },
  billedMonthToDate: {
    name: "spendfuse.billed.month_to_date",
    ...BILL_GAUGE,
    description: "Vendor's bill since the month began in UTC",
  },
  billedProjection: {
    name: "spendfuse.billed.month_projection",
    ...BILL_GAUGE,
    description: "Vendor's bill at the end of the month, at its mean pace until the last day that was billed",
  },
  billedLag: {
    name: "spendfuse.billed.lag",
    ...LAG,
    description: "Time since the end of the last day of this month that a vendor has billed; 0 when that is today",
  },
  meteredMonthToDate: {
    name: "spendfuse.metered.month_to_date",
    ...BILL_GAUGE,
    description: "Metered cost of the calls that are on the bill, since the month began in UTC",
  },
  driftRatio: {
    name: "spendfuse.drift_ratio",
    unit: "1",
    kind: "gauge",
    description: "Bill of the month to date over the metered cost of the same calls, less 1",
    attributes: ["vendor", "project"],
  },
  ungovernedCost: {
    name: "spendfuse.ungoverned_cost",
    ...BILL_GAUGE,
    description: "Bill of the month to date that no metered call explains",
  },
  pollLag: {
    name: "spendfuse.poll.lag",
    ...LAG,
    description: "Time since a vendor's bill was last read to its end",
  },
  faults: {
    name: "spendfuse.faults",
    unit: "{fault}",
    kind: "counter",
    description: "Faults of the meter itself, swallowed so that the caller never sees them",
    attributes: ["step", "process"],
  },
  spoolPending: {
    name: "spendfuse.spool.pending",
    unit: "{file}",
    kind: "gauge",
    description: "Exports that wait on disk to be sent again",
    attributes: ["process"],
  },
} as const satisfies Record<string, MetricName>;

const GEN_AI = [
  "gen_ai.operation.name",
  "gen_ai.provider.name",
  "gen_ai.request.model",
  "gen_ai.response.model",
  "gen_ai.agent.name",
] as const;

/** The standard metrics of the GenAI semantic conventions, emitted beside ours unless switched off. */
export const GEN_AI_METRICS = {
  duration: {
    name: "gen_ai.client.inference.duration",
    unit: "s",
    kind: "histogram",
    description: "Duration of a model call, to the end of its stream",
    attributes: [...GEN_AI, "error.type", "server.address"],
  },
  inputTokens: {
    name: "gen_ai.client.inference.usage.input_tokens",
    unit: "{token}",
    kind: "counter",
    description: "Input tokens, cached ones included",
    attributes: [...GEN_AI, "gen_ai.token.modality"],
  },
  outputTokens: {
    name: "gen_ai.client.inference.usage.output_tokens",
    unit: "{token}",
    kind: "counter",
    description: "Output tokens, reasoning included",
    attributes: [...GEN_AI, "gen_ai.token.modality"],
  },
} as const satisfies Record<string, MetricName>;

export const ATTR = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  agent: "gen_ai.agent.name",
  conversation: "gen_ai.conversation.id",
  requestModel: "gen_ai.request.model",
  responseModel: "gen_ai.response.model",
  responseId: "gen_ai.response.id",
  stream: "gen_ai.request.stream",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheWriteTokens: "gen_ai.usage.cache_write.input_tokens",
  reasoningTokens: "gen_ai.usage.reasoning.output_tokens",
  modality: "gen_ai.token.modality",
  costAmount: "gen_ai.usage.cost.amount",
  costCurrency: "gen_ai.usage.cost.currency",
  costSource: "gen_ai.usage.cost.source",
  settledCost: "spendfuse.settled_cost",
  correction: "spendfuse.correction",
  errorType: "error.type",
  serverAddress: "server.address",
  httpStatus: "http.response.status_code",
  quality: "spendfuse.quality",
  ending: "spendfuse.ending",
  priced: "spendfuse.priced",
  unpricedParts: "spendfuse.unpriced_parts",
  downgradedFrom: "spendfuse.downgraded_from",
  maxOutput: "spendfuse.max_output",
  throttledMs: "spendfuse.throttled_ms",
  finalising: "spendfuse.finalising",
  calls: "spendfuse.calls",
  charges: "spendfuse.charges",
  chargeName: "spendfuse.charge.what",
  chargeUsd: "spendfuse.charge.usd",
  chargeUnits: "spendfuse.charge.units",
  unpricedCalls: "spendfuse.unpriced_calls",
  rootAgent: "spendfuse.root_agent",
  team: "spendfuse.team",
  project: "spendfuse.project",
  key: "spendfuse.key",
  run: "spendfuse.run",
  user: "spendfuse.user",
  /** Before its name. */
  tag: "spendfuse.tag.",
} as const;
