import type { SettledCall } from "../../src/core/call.ts";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import type { ModelServer } from "../servers/model-server.ts";

/** A process of its own, as far as spendfuse can tell: its own runtime, and a fetch that it guards. */
export interface Guarded {
  readonly runtime: Runtime;
  readonly fetch: typeof fetch;
  readonly settled: readonly SettledCall[];
  readonly said: readonly string[];
  stop(): Promise<void>;
}

export const MODEL = "test-model";
/** One USD for a million tokens, of whichever kind: a token is a micro-dollar. */
export const PRICE = { model: MODEL, inputPerMTok: 1, outputPerMTok: 1 };

/**
 * `startFails`: whether the store may be one that cannot be opened yet. `source`: `SPENDFUSE_CONFIG`, the path of a file or
 * its text.
 */
export async function guard(
  server: ModelServer | undefined,
  config: ConfigFile,
  startFails = false,
  source = "{}",
): Promise<Guarded> {
  const said: string[] = [];
  const settled: SettledCall[] = [];
  const runtime = createRuntime((line) => said.push(line));
  const hosts = server === undefined ? [] : [{ host: server.host, like: "api.openai.com" }];
  const started = runtime.start({
    telemetry: false,
    env: { SPENDFUSE_CONFIG: source, SPENDFUSE_QUIET: "1" },
    config: { hosts, prices: [PRICE], ...config },
  });
  await (startFails ? started.catch(() => {}) : started);
  const inner = globalThis.fetch;
  const { HOOKED } = await import("../../src/meter/transports/fetch/hook.ts");
  const bare = (inner as unknown as { [HOOKED]?: typeof fetch })[HOOKED] ?? inner;
  runtime.listeners.add((call) => settled.push(call));
  const hooked = runtime.wrapFetch(bare);
  globalThis.fetch = bare;
  return { runtime, fetch: hooked, settled, said, stop: () => runtime.stop() };
}

export interface Chat {
  readonly agent?: string;
  readonly maxTokens?: number;
  readonly prompt?: string;
  readonly model?: string;
}

/** One chat call with plain fetch. Reads the answer to its end. */
export async function chat(
  guarded: Guarded,
  url: string,
  ask: Chat = {},
): Promise<Response & { readonly json1: unknown }> {
  const { agent = "researcher", maxTokens, prompt = "Hi", model = MODEL } = ask;
  const body = { model, messages: [{ role: "user", content: prompt }], ...(maxTokens && { max_tokens: maxTokens }) };
  const response = await guarded.runtime.scoping.scope({ agent }, () =>
    guarded.fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer sk-test" },
      body: JSON.stringify(body),
    }),
  );
  return Object.assign(response, { json1: await response.json() });
}

/** The answer of a vendor that reports this usage. */
export function answer(input: number, output: number): { headers: Record<string, string>; steps: string[] } {
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
  const message = { role: "assistant", content: "Hello." };
  const body = {
    id: "1",
    model: MODEL,
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: "stop" }],
    usage,
  };
  return { headers: { "content-type": "application/json" }, steps: [JSON.stringify(body)] };
}
