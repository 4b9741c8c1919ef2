import { AsyncLocalStorage } from "node:async_hooks";
import { afterEach } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { stopUserTelemetry } from "../../known-failures/tracing.ts";

const ANSWER = { model: "gpt-5", choices: [], usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 } };

/** One process of ours, a vendor that answers anything, and the stores that frameworks keep in global slots. */
export interface Process {
  readonly runtime: Runtime;
  readonly calls: SettledCall[];
  readonly said: readonly string[];
  /** What reached the vendor: every header and the body, as text. */
  readonly sent: string[];
  /** Makes a model call and gives the scope that it was metered on. */
  ask(request?: { readonly headers?: HeadersInit; readonly body?: object }): Promise<SettledCall["scope"]>;
}

const OPENAI_AGENTS = Symbol.for("openai.agents.core.asyncLocalStorage");
const LANGCHAIN = Symbol.for("ls:tracing_async_local_storage");
const LANGCHAIN_CONFIG = Symbol.for("lc:child_config");

const slots = globalThis as { [slot: symbol]: AsyncLocalStorage<unknown> | undefined };
const running: Runtime[] = [];

export async function startProcess(config: ConfigFile = {}, env: Record<string, string> = {}): Promise<Process> {
  const said: string[] = [];
  const calls: SettledCall[] = [];
  const sent: string[] = [];
  const runtime = createRuntime((message) => said.push(message));
  running.push(runtime);
  runtime.listeners.add((call) => calls.push(call));
  await runtime.start({ telemetry: false, env, config });
  const metered = runtime.wrapFetch(async (input, init) => {
    const headers = [...new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))];
    sent.push(JSON.stringify([headers, init?.body]));
    return Response.json(ANSWER);
  });
  return {
    runtime,
    calls,
    said,
    sent,
    async ask({ headers = {}, body = {} } = {}) {
      const response = await metered("https://api.openai.com/v1/chat/completions", {
        method: "POST",
        headers,
        body: JSON.stringify({ model: "gpt-5", messages: [], ...body }),
      });
      await response.json();
      await runtime.flush();
      return (calls.at(-1) as SettledCall).scope;
    },
  };
}

/** Takes away what a test left: of ours, of the frameworks, of OpenTelemetry. */
export function cleanUp(): void {
  afterEach(async () => {
    for (const runtime of running.splice(0)) await runtime.stop();
    stopUserTelemetry();
    delete slots[OPENAI_AGENTS];
    delete slots[LANGCHAIN];
  });
}

/** Runs `fn` as OpenAI's Agents SDK runs a model call of the innermost of these agents. */
export function inOpenaiAgents<T>(agents: readonly string[], trace: object, fn: () => T): T {
  let span: object | undefined;
  for (const name of agents) {
    span = { spanData: { type: "task" }, previousSpan: span };
    span = { spanData: { type: "agent", name }, previousSpan: span };
  }
  slots[OPENAI_AGENTS] ??= new AsyncLocalStorage();
  return slots[OPENAI_AGENTS].run(
    { active: true, span: { spanData: { type: "response" }, previousSpan: span }, trace },
    fn,
  );
}

/** Runs `fn` as LangChain runs what has these metadata. */
export function inLangchain<T>(metadata: object, fn: () => T): T {
  slots[LANGCHAIN] ??= new AsyncLocalStorage();
  return slots[LANGCHAIN].run({ extra: { [LANGCHAIN_CONFIG]: { metadata } } }, fn);
}
