import type { Runtime } from "../../../src/process/runtime.ts";

/** Who makes a call, and with which fetch. */
export interface Caller {
  readonly runtime: Runtime;
  readonly fetch: typeof fetch;
}

/** Addresses without `/v1`. */
export type Addresses = Readonly<Record<keyof typeof BODIES, string>>;

const BODIES = {
  openai: {
    path: "/v1/chat/completions",
    body: { model: "gpt-5", reasoning_effort: "low", stream: true },
  },
  openrouter: {
    path: "/api/v1/chat/completions",
    body: { model: "gpt-5", reasoning_effort: "low", stream: true },
  },
  anthropic: {
    path: "/v1/messages",
    body: { model: "claude-sonnet-5", max_tokens: 1_000, stream: true },
  },
} as const;

/** One streamed call that is left after so many chunks; undefined reads it to its end. */
export async function callFor(
  { runtime, fetch }: Caller,
  vendor: Addresses,
  name: keyof typeof BODIES,
  { agent = "researcher", chunks, prompt = "Tell me of the sea." }: CallOptions = {},
): Promise<void> {
  const { path, body } = BODIES[name];
  const auth = name === "anthropic" ? { "x-api-key": `demo-${agent}` } : { authorization: `Bearer demo-${agent}` };
  const response = await runtime.scoping.scope({ agent }, () =>
    fetch(`${vendor[name]}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": "2023-06-01", ...auth },
      body: JSON.stringify({ ...body, messages: [{ role: "user", content: prompt }] }),
    }),
  );
  if (!response.ok || response.body === null) throw new Error(`${response.status}: ${await response.text()}`);
  let seen = 0;
  for await (const _ of response.body) if (++seen === chunks) break;
}

export interface CallOptions {
  readonly agent?: string;
  readonly chunks?: number;
  readonly prompt?: string;
}
