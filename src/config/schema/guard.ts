import { BUDGET_KINDS } from "../../limits/budget.ts";
import { DEFAULT_STORE, STORE_KINDS } from "../../stores/addresses.ts";
import type { Node, ObjectNode, StringNode } from "../node.ts";
import { LADDER } from "./ladder.ts";

/** Nano-USD are counted in integers up to 2^53. */
const MOST_USD = 9_007_199;

/** A year of a hundred agents. Milliseconds are counted in integers. */
const MOST_SECONDS = 3_153_600_000;

const SCOPE_VALUE: StringNode = {
  kind: "string",
  description: "A name, or `*` for each.",
  examples: ["*"],
};

const BUDGET: ObjectNode = {
  kind: "object",
  type: "BudgetConfig",
  description:
    "A cap on what a scope may spend. `usd`, `tokens`, `calls` and `seconds` of one row are caps of their own.",
  examples: [{ scope: { agent: "*" }, per: "hour", usd: 20 }],
  required: ["per"],
  anyOf: ["usd", "tokens", "calls", "seconds"],
  keys: {
    name: {
      kind: "string",
      description:
        "Shown in refusals, and the budget's identity in a shared store. Without it: the scope and the window.",
      examples: ["agent hour"],
    },
    scope: {
      kind: "object",
      type: "BudgetScope",
      description: "Whose spend is capped; `*` gives each its own cap. Without it: everything together.",
      examples: [{ agent: "*" }],
      keys: {
        ...Object.fromEntries(BUDGET_KINDS.map((kind) => [kind, SCOPE_VALUE])),
        tags: {
          kind: "map",
          names: "tag",
          description: "Values of declared tags, or `*` for each.",
          examples: [{ customer: "*" }],
          values: SCOPE_VALUE,
        },
      },
    },
    per: {
      kind: "string",
      form: "period",
      description: "`run`, `minute`, `hour`, `day`, `month` (UTC), or a moving window such as `15m`, `24h`.",
      examples: ["hour"],
    },
    usd: { kind: "number", minimum: 0, maximum: MOST_USD, description: "The cap in USD.", examples: [20] },
    tokens: {
      kind: "number",
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "The cap in tokens, input and output together.",
      examples: [1_000_000],
    },
    calls: {
      kind: "number",
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "The cap in calls. A retry is a call.",
      examples: [500],
    },
    seconds: {
      kind: "number",
      minimum: 0,
      maximum: MOST_SECONDS,
      description: "The cap in seconds that calls take, from sending to their end; calls at once add up.",
      examples: [600],
    },
    warnAt: {
      kind: "number",
      minimum: 0,
      maximum: 1,
      description: "Share of the cap at which one warning per window is given; `0.8` is 80 %.",
      examples: [0.8],
    },
    finalisation: {
      kind: "number",
      minimum: 0,
      maximum: 0.99,
      default: 0,
      description: "Share of the cap that only calls inside `finalise()` may use.",
      examples: [0.2],
    },
    trip: {
      kind: "string",
      form: "window",
      description: "Opens the scope's circuit for this long when the cap refuses a call.",
      examples: ["15m"],
    },
    ladder: LADDER,
  },
};

const BREAKER: ObjectNode = {
  kind: "object",
  type: "BreakerConfig",
  description: "A breaker to listen to (`url`), or one to run inside this process (`port`).",
  examples: [{ url: "http://127.0.0.1:4319" }],
  keys: {
    url: { kind: "string", form: "url", description: "The breaker to listen to.", examples: ["http://127.0.0.1:4319"] },
    port: {
      kind: "number",
      integer: true,
      minimum: 0,
      maximum: 65_535,
      description: "Runs a breaker inside this process, on this port; 0 takes any free one.",
      examples: [4319],
    },
    host: { kind: "string", form: "host", default: "127.0.0.1", description: "The address it listens on." },
    ttl: { kind: "string", form: "duration", default: "15m", description: "How long a trip lasts." },
  },
};

const REPEATS: ObjectNode = {
  kind: "object",
  type: "RepeatConfig",
  description: "Opens an agent's circuit when it sends the same request more than `max` times.",
  examples: [{ max: 20, within: "5m" }],
  required: ["max", "within"],
  keys: {
    max: {
      kind: "number",
      integer: true,
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "How often the same request may be sent.",
      examples: [20],
    },
    within: {
      kind: "string",
      form: "duration",
      description: "The time over which they are counted.",
      examples: ["5m"],
    },
    trip: { kind: "string", form: "duration", default: "15m", description: "How long the circuit stays open." },
  },
};

/** Budgets, circuits and where they live. */
/** Who uses one store of such a reach. */
const SHARED_BY = { process: "one process", host: "processes of one host", fleet: "a fleet" } as const;

export const GUARD_KEYS = {
  budgets: {
    kind: "array",
    description: "Caps on what a scope may spend. Every one that applies to a call must cover it.",
    examples: [[{ scope: { agent: "*" }, per: "hour", usd: 20 }]],
    items: BUDGET,
  },
  mode: {
    kind: "enum",
    type: "Mode",
    values: ["enforce", "shadow", "off"],
    default: "enforce",
    description: "`enforce` refuses calls, `shadow` only records what would have been refused, `off` checks nothing.",
  },
  store: {
    kind: "string",
    form: "store",
    default: DEFAULT_STORE,
    description: `Where budgets and circuits live: ${STORE_KINDS.map(({ form, reach }) => `\`${form}\` (${SHARED_BY[reach]})`).join(", ")}.`,
    examples: STORE_KINDS.filter(({ name }) => name !== DEFAULT_STORE).map(({ example }) => example),
  },
  whenStateUnknown: {
    kind: "enum",
    values: ["open", "closed"],
    default: "open",
    description:
      "What a call gets when store or breaker do not answer: `open` checks it by what this process knows, `closed` refuses it.",
  },
  whenSpent: {
    kind: "object",
    type: "WhenSpentConfig",
    description:
      "What a call gets whose budget is spent, or whose scope an operator has paused. Without it: a refusal at once.",
    examples: [{ wait: "10m" }],
    keys: {
      wait: {
        kind: "string",
        form: "duration",
        description:
          "How long it waits before it is refused; it goes on when the budget is raised, the scope resumed or the window over.",
        examples: ["10m"],
      },
    },
  },
  stateTimeout: {
    kind: "string",
    form: "duration",
    default: "2s",
    description: "How long a call waits for the store's answer. Far from a cap no call waits.",
  },
  openTimeout: {
    kind: "string",
    form: "duration",
    default: "5s",
    description: "How long the first calls wait until a shared store is open and the circuits are known.",
  },
  unpriced: {
    kind: "enum",
    values: ["allow", "refuse"],
    default: "allow",
    description: "What a USD budget does with a model whose price is not known.",
  },
  breaker: BREAKER,
  cutStreams: {
    kind: "boolean",
    default: false,
    description: "Ends streams in flight when their scope has spent its cap or its circuit opens.",
  },
  repeats: REPEATS,
} as const satisfies Readonly<Record<string, Node>>;
