import type { Node } from "../node.ts";

/** Who a call belongs to outside any scope. */
export const SCOPE_KEYS = {
  agent: {
    kind: "string",
    description: "The agent of calls outside any scope. Without it: `DD_SERVICE`, then `OTEL_SERVICE_NAME`.",
    examples: ["support-bot"],
  },
  team: { kind: "string", description: "The team of calls outside any scope.", examples: ["search"] },
  project: { kind: "string", description: "The project of calls outside any scope.", examples: ["help"] },
} as const satisfies Readonly<Record<string, Node>>;
