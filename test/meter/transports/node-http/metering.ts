import type { SettledCall } from "../../../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../../../src/process/runtime.ts";
import { type ModelServer, type Step, startModelServer } from "../../../servers/model-server.ts";
import { bodyFor, CHUNK, pieces } from "../fetch/body/answers.ts";

/** A runtime that is on only while it is wanted, beside a server: everything is tried without it as well. */
export interface Switched {
  readonly server: ModelServer;
  readonly runtime: Runtime;
  readonly calls: SettledCall[];
  bare<T>(run: () => Promise<T>): Promise<T>;
  /** Runs with the meter on, and waits until all is settled. */
  metered<T>(run: () => Promise<T>, config?: object): Promise<T>;
  stop(): Promise<void>;
}

export async function startSwitched(say: (line: string) => void = () => {}): Promise<Switched> {
  const server = await startModelServer();
  answer(server);
  const runtime = createRuntime(say);
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  return {
    server,
    runtime,
    calls,
    bare: (run) => run(),
    async metered(run, config = {}) {
      calls.length = 0;
      const hosts = [{ host: server.host, like: "api.openai.com" }];
      await runtime.start({ telemetry: false, env: {}, config: { hosts, ...config } });
      try {
        return await run();
      } finally {
        await new Promise((resolve) => setTimeout(resolve, 5));
        await runtime.flush();
        await runtime.stop();
      }
    },
    stop: () => server.close(),
  };
}

/** Answers a model call in small chunks, `/moved` with a redirect, and `/broken` with the beginning of an answer. */
export function answer(server: ModelServer, stepsOf = (chunks: readonly Buffer[]): readonly Step[] => chunks): void {
  server.play(({ path, body }) => {
    if (path.startsWith("/moved")) return { status: 307, headers: { location: path.slice(6) }, steps: ["head"] };
    const text = body === "" ? "{}" : bodyFor(body);
    const type = text.startsWith("data:") ? "text/event-stream; charset=utf-8" : "application/json";
    const headers = { "content-type": type, "x-request-id": "req_1" };
    const chunks = pieces(Buffer.from(text), CHUNK);
    if (path.startsWith("/broken")) return { headers, steps: [...chunks.slice(0, 3), { pause: 5 }, "cut"] };
    if (path.startsWith("/hanging")) return { headers, steps: [...chunks.slice(0, 3), "hang"] };
    return { headers, steps: stepsOf(chunks) };
  });
}
