import type { IncomingMessage, RequestOptions } from "node:http";
import type { Socket } from "node:net";
import { retryAfterMs } from "../../http/retry-after.ts";
import { untraced } from "../tracing/otel-global.ts";
import type { Target } from "./endpoint.ts";

/** The result of one request. */
export type Reply =
  | { readonly status: number; readonly protobuf: boolean; readonly body: Uint8Array; readonly retryAfterMs?: number }
  /** Why there was no answer. */
  | { readonly error: string };

export interface PostLimits {
  /**
   * Milliseconds until the connection stands. Kept short in the background: nothing else of a request keeps a process
   * alive that is otherwise done, but a connection that is being made does, whatever we unref.
   */
  readonly connectMs: number;
  readonly signal?: AbortSignal;
}

const MAX_REPLY_BYTES = 65_536;

/**
 * Sends one body. OpenTelemetry's own exporter is not used for this: its retry timers and sockets hold a finished
 * process for up to 10 seconds, and it does not report a partial success. Retries are left to the spool. Never
 * rejects, and goes through the process-wide agent, so that a proxy set there is used.
 */
export async function post(target: Target, body: Uint8Array, limits: PostLimits): Promise<Reply> {
  try {
    const url = new URL(target.url);
    const { request } = await (url.protocol === "https:" ? import("node:https") : import("node:http"));
    const gzip = target.compression === "gzip";
    const bytes = gzip ? await compress(body) : body;
    const options: RequestOptions = {
      method: "POST",
      headers: {
        ...target.headers,
        "content-type": target.encoding === "json" ? "application/json" : "application/x-protobuf",
        "content-length": bytes.byteLength,
        ...(gzip && { "content-encoding": "gzip" }),
      },
      ...(limits.signal && { signal: limits.signal }),
    };
    return await untraced(
      () =>
        new Promise<Reply>((resolve) => {
          let answered = false;
          const sent = request(url, options, (response) => {
            answered = true;
            read(response, resolve);
          });
          const giveUp = (error: string) => (): void => {
            resolve({ error });
            sent.destroy();
          };
          const total = setTimeout(giveUp(`no answer in ${target.timeoutMs} ms`), target.timeoutMs).unref();
          const connect = setTimeout(giveUp(`no connection in ${limits.connectMs} ms`), limits.connectMs).unref();
          sent.on("socket", (socket: Socket) => {
            socket.unref();
            if (socket.connecting) socket.once("connect", () => clearTimeout(connect));
            else clearTimeout(connect);
          });
          sent.on("error", (error: Error & { readonly code?: string }) =>
            resolve({ error: limits.signal?.aborted ? "no answer in time" : (error.code ?? error.message) }),
          );
          sent.on("close", () => {
            clearTimeout(total);
            clearTimeout(connect);
            if (!answered) resolve({ error: "the connection was closed" });
          });
          sent.end(bytes);
        }),
    );
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function read(response: IncomingMessage, resolve: (reply: Reply) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  response.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_REPLY_BYTES) chunks.push(chunk);
  });
  // An answer that breaks off has still given its status.
  response.on("close", () => {
    const waitMs = askedWait(response);
    resolve({
      status: response.statusCode ?? 0,
      protobuf: response.headers["content-type"]?.includes("protobuf") === true,
      body: Buffer.concat(chunks),
      ...(waitMs > 0 && { retryAfterMs: waitMs }),
    });
  });
}

/** How long an answer asks to wait, in milliseconds: by `Retry-After`, or by when Datadog's rate limit begins anew. */
function askedWait({ statusCode, headers }: IncomingMessage): number {
  const get = (name: string): string | null => headers[name]?.toString() ?? null;
  const reset = statusCode === 429 ? Number(get("x-ratelimit-reset")) * 1_000 : 0;
  return Math.max(retryAfterMs({ get }, Date.now()) ?? 0, Number.isFinite(reset) ? reset : 0);
}

async function compress(body: Uint8Array): Promise<Uint8Array> {
  const { gzip } = await import("node:zlib");
  return process.getBuiltinModule("node:util").promisify(gzip)(body);
}
