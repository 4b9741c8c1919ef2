import * as transports from "../../meter/transports/registry.ts";
import type { Node, ObjectNode } from "../node.ts";

const HOST: ObjectNode = {
  kind: "object",
  type: "HostConfig",
  description: "A host of your own, such as a gateway.",
  examples: [{ host: "llm.example.com", like: "api.openai.com" }],
  required: ["host"],
  keys: {
    host: {
      kind: "string",
      form: "host",
      description: "An exact name, or with `*` for any part of it, each with or without `:port`.",
      examples: ["llm.example.com", "*.llm.example.com:8443"],
    },
    like: {
      kind: "string",
      form: "host",
      description: "A known host whose facts this one takes over; the other fields replace single facts.",
      examples: ["api.openai.com"],
    },
    provider: {
      kind: "string",
      default: "openai",
      description: "The vendor by its OpenTelemetry name.",
      examples: ["openai"],
    },
    priceId: {
      kind: "string",
      description: "The vendor's id in `@pydantic/genai-prices`, where it differs from the provider.",
      examples: ["azure"],
    },
    asksUsage: {
      kind: "boolean",
      description: "The host takes `stream_options.include_usage`, and without it a stream reports no usage.",
    },
    reasoningApart: {
      kind: "boolean",
      description: "The host's `completion_tokens` do not contain the reasoning tokens.",
    },
  },
};

const BAGGAGE: ObjectNode = {
  kind: "object",
  type: "BaggageConfig",
  description: "Carries the scope to other processes of your own as W3C baggage. Model vendors never get it.",
  examples: [{ send: ["orders.internal"], accept: true }],
  keys: {
    send: {
      kind: "array",
      description: "Hosts whose requests through `fetch` carry the scope: exact, `*.suffix`, or either with `:port`.",
      examples: [["orders.internal", "*.svc:8080"]],
      items: { kind: "string", form: "host", description: "A host of your own.", examples: ["orders.internal"] },
    },
    accept: {
      kind: "boolean",
      default: false,
      description:
        "Requests to HTTP servers of this process bring their scope along: only where all callers are your own.",
    },
  },
};

/** What is metered, and how it is shown. */
export const METERING_KEYS = {
  hosts: {
    kind: "array",
    description: "Hosts of your own, such as gateways. They come before those that spendfuse knows.",
    examples: [[{ host: "llm.example.com", like: "api.openai.com" }]],
    items: HOST,
  },
  localServers: {
    kind: "enum",
    values: ["unknown", "free"],
    default: "unknown",
    description:
      "What models of local servers cost (Ollama, LM Studio, vLLM, llama.cpp on a loopback or private address that is in no row of `hosts`), where no row of `prices` fits: nothing, or what is not known. It is never a cloud's price.",
  },
  askUsage: {
    kind: "boolean",
    default: true,
    description: "Asks streams that lack usage for it, where the host is known to take the question.",
  },
  tokenizer: {
    kind: "boolean",
    default: false,
    description:
      "Counts the text of requests to OpenAI's models that are unlike any before with the package `gpt-tokenizer`, if it is installed, so that their estimates are nearer: some 80 MB of memory, and up to 10 ms for such a request.",
  },
  transportsOff: {
    kind: "array",
    description: "Transports that are not hooked: what they carry is neither metered nor refused.",
    examples: [["fetch"]],
    items: {
      kind: "enum",
      values: Object.values(transports).map(({ name }) => name),
      description: "A way by which requests leave the process.",
      examples: ["fetch"],
    },
  },
  keys: {
    kind: "map",
    names: "keyHash",
    description: "Alias by the short hash of an API key, as the `key` of a scope shows it; `hashKey()` gives the hash.",
    examples: [{ "9f86d081": "prod-key" }],
    values: { kind: "string", description: "The alias.", examples: ["prod-key"] },
  },
  genAiMetrics: {
    kind: "boolean",
    default: true,
    description: "Emits the standard `gen_ai.client.*` metrics beside our own.",
  },
  spans: { kind: "boolean", default: true, description: "Emits spans of agents and calls." },
  summary: {
    kind: "boolean",
    description:
      "Prints a table of agents with calls, tokens and cost on stderr when the process ends. Default: where nothing exports the metrics.",
  },
  baggage: BAGGAGE,
} as const satisfies Readonly<Record<string, Node>>;
