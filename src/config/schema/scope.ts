import { MAX_TAG_VALUES, MAX_TAGS } from "../../core/tags/tags.ts";
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
  tags: {
    kind: "array",
    most: MAX_TAGS,
    description: `Dimensions of your own, at most ${MAX_TAGS}, that \`scope({ tags })\`, headers \`x-spendfuse-tag-NAME\` and variables \`SPENDFUSE_TAG_NAME\` set: on metrics, budgets, circuits, spans and reports. Metrics show ${MAX_TAG_VALUES} values of each; further ones add up in \`other\`.`,
    examples: [["feature", "customer", "release"]],
    items: { kind: "string", form: "tag", description: "The name of a tag.", examples: ["customer"] },
  },
} as const satisfies Readonly<Record<string, Node>>;
