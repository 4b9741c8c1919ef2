import { APIS, DEFAULT_UPSTREAMS } from "../../proxy/address.ts";
import type { Node, StringNode } from "../node.ts";

const NAMES = { openai: "OpenAI's API", anthropic: "Anthropic's API", gemini: "Gemini's API" } as const;

const UPSTREAMS = Object.fromEntries(
  APIS.map((api): [string, StringNode] => [
    api,
    {
      kind: "string",
      form: "url",
      default: DEFAULT_UPSTREAMS[api],
      description: `Where requests for ${NAMES[api]} go${api === "openai" ? ", with its `/v1`" : ""}.`,
      examples: [api === "openai" ? "https://llm.example.com/v1" : "https://llm.example.com"],
    },
  ]),
);

/** Agent programs that cannot be hooked. */
export const PROXY_KEYS = {
  proxy: {
    kind: "object",
    type: "ProxyConfig",
    description: "`spendfuse proxy` and `spendfuse run`.",
    examples: [{ upstreams: { openai: "https://llm.example.com/v1" } }],
    keys: {
      maxBudgetUsd: {
        kind: "boolean",
        default: false,
        description:
          "Starts Claude Code, as its Agent SDKs do, with `--max-budget-usd` of what is left of its budgets in USD; a lower one of the caller's stays.",
      },
      upstreams: {
        kind: "object",
        type: "UpstreamsConfig",
        description: "Where the requests of agent programs go, such as a gateway; nowhere else.",
        examples: [{ openai: "https://llm.example.com/v1" }],
        keys: UPSTREAMS,
      },
    },
  },
} as const satisfies Readonly<Record<string, Node>>;
