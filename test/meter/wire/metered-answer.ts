import type { SettledCall } from "../../../src/core/call.ts";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { split } from "../../recordings/recording.ts";

/** What a host answers to one request. */
export interface Answered {
  readonly url: string;
  readonly request: object;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is a whole answer, a list the frames of a stream. */
  readonly body: object | string;
  /** Bytes of each chunk of a stream. */
  readonly size?: number;
}

export interface Metered {
  readonly call: SettledCall;
  /** What the caller read. */
  readonly text: string;
  /** The body that left the process. */
  readonly sent: string;
}

/** A process without telemetry, whose calls are answered by what they are given. */
export interface Meter {
  readonly runtime: Runtime;
  meter(answered: Answered): Promise<Metered>;
}

export async function startMeter(config?: ConfigFile): Promise<Meter> {
  const runtime = createRuntime(() => {});
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}" }, ...(config && { config }) });
  return {
    runtime,
    async meter(answered) {
      let sent = "";
      const inner = async (_input: unknown, init?: RequestInit): Promise<Response> => {
        sent = await new Response(init?.body ?? null).text();
        return answerOf(answered);
      };
      const before = calls.length;
      const headers = { "content-type": "application/json", authorization: "Bearer k" };
      const body = JSON.stringify(answered.request);
      const metered = runtime.wrapFetch(inner as typeof fetch);
      const text = await (await metered(answered.url, { method: "POST", headers, body })).text();
      await runtime.flush();
      const call = calls[before];
      if (call === undefined) throw new Error("the call did not settle");
      return { call, text, sent };
    },
  };
}

/** One call of a process of its own. */
export async function meterAnswer(answered: Answered, config?: ConfigFile): Promise<Metered> {
  const meter = await startMeter(config);
  try {
    return await meter.meter(answered);
  } finally {
    await meter.runtime.stop();
  }
}

function answerOf({ status = 200, headers = {}, body, size = 1 << 20 }: Answered): Response {
  const isStream = Array.isArray(body) || (typeof body === "string" && !body.trimStart().startsWith("{"));
  const text = Array.isArray(body) ? body.join("") : typeof body === "string" ? body : JSON.stringify(body);
  const type = isStream ? "text/event-stream; charset=utf-8" : "application/json";
  const chunks = split(text, size);
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk !== undefined) controller.enqueue(new Uint8Array(chunk));
      else controller.close();
    },
  });
  return new Response(stream, { status, headers: { "content-type": type, ...headers } });
}
