import type { SettledCall } from "../../../../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../../../../src/process/runtime.ts";
import { type ModelServer, type Step, startModelServer } from "../../../../servers/model-server.ts";
import { bodyFor, CHUNK, KINDS, pieces } from "./answers.ts";

const native = globalThis.fetch;
export const CALLERS: Readonly<Record<string, Record<string, string>>> = {
  plain: {},
  SDK: { "x-stainless-lang": "js" },
};

/** A runtime beside a model server that is known to take the question for usage. */
export interface Metering {
  readonly server: ModelServer;
  readonly runtime: Runtime;
  /** What has settled since it was last emptied. */
  readonly calls: SettledCall[];
  readonly warnings: string[];
  send(fetch: typeof globalThis.fetch, kind: string, init?: RequestInit, path?: string): Promise<Response>;
  stop(): Promise<void>;
}

/** Answers a model call in small chunks, `/echo` with what it was sent, and `/moved` with a redirect. */
export function answering(server: ModelServer, stepsOf = (chunks: readonly Buffer[]): readonly Step[] => chunks): void {
  server.play(({ path, body }) => {
    if (path === "/echo") return { steps: [body] };
    if (path.startsWith("/moved")) return { status: 307, headers: { location: path.slice(6) }, steps: ["head"] };
    const text = bodyFor(body);
    const type = text.startsWith("data:") ? "text/event-stream; charset=utf-8" : "application/json";
    const headers = { "content-type": type, "x-request-id": "req_1" };
    return { headers, steps: stepsOf(pieces(Buffer.from(text), CHUNK)) };
  });
}

export async function startMetering(): Promise<Metering> {
  const server = await startModelServer();
  answering(server);
  const calls: SettledCall[] = [];
  const warnings: string[] = [];
  const runtime = createRuntime((message) => warnings.push(message));
  const hosts = [{ host: server.host, like: "api.openai.com" }];
  // What is compared without us goes by node:http for some.
  await runtime.start({ telemetry: false, env: {}, config: { hosts, transportsOff: ["node-http", "undici"] } });
  runtime.listeners.add((call) => calls.push(call));
  const metering: Metering = {
    server,
    runtime,
    calls,
    warnings,
    send: (fetch, kind, { headers, ...init } = {}, path = "") =>
      fetch(`${server.url}${path}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer sk-secret", ...(headers as object) },
        body: KINDS[kind]?.request as string,
        ...init,
      }),
    async stop() {
      await runtime.stop();
      await server.close();
    },
  };
  // The first call of all waits for the price book; every other settles on the spot.
  await (await metering.send(runtime.wrapFetch(native), "JSON")).text();
  await runtime.flush();
  calls.length = 0;
  return metering;
}

export const describeError = (error: unknown): string => `${(error as Error).name}: ${(error as Error).message}`;

export function summary({ ending, quality, usage }: SettledCall): object {
  return quality === "reported" ? { ending, quality, usage } : { ending, quality };
}
