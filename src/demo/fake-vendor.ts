import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { readBody } from "../http/body.ts";
import { type Answer, type Exchange, sendAnswer } from "../http/exchange.ts";
import { type HttpServer, serveHttp } from "../http/server.ts";
import { anthropicMessages } from "./fake-vendor/anthropic-messages.ts";
import type { BilledCall } from "./fake-vendor/billed-call.ts";
import { answerBilling, type BillingApi } from "./fake-vendor/billing/desk.ts";
import { anthropicOffice, openaiOffice } from "./fake-vendor/billing-account.ts";
import type { Dialect, Job, Json } from "./fake-vendor/job.ts";
import { openaiChat } from "./fake-vendor/openai-chat.ts";
import { openaiResponses } from "./fake-vendor/openai-responses.ts";
import { costParts, noTokens, servedModel } from "./fake-vendor/prices.ts";

export type { BilledCall } from "./fake-vendor/billed-call.ts";

/**
 * A model vendor on this machine that speaks the real wire formats and bills what it generated, from its own prices.
 * It stops generating when the caller goes away, and bills what it had made by then. It shares no code with the meter.
 */
export interface FakeVendor {
  /** The base URL without `/v1`, one each because the real vendors are two. */
  readonly openai: string;
  readonly anthropic: string;
  readonly bill: readonly BilledCall[];
  /** Resolves when no call is being served. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

const OPENAI: readonly Dialect[] = [openaiChat, openaiResponses];
const BODY_LIMITS = { maxBytes: 16 * 1024 * 1024, maxMs: 30_000 };
const ANTHROPIC: readonly Dialect[] = [anthropicMessages];

/**
 * `paceMs` lies between two frames. A request header `x-demo` makes trouble: `busy:NAME` answers 429 the first time
 * that name is seen, `cut:N` drops the connection after N frames.
 */
export async function startFakeVendor({ paceMs = 9 }: { readonly paceMs?: number } = {}): Promise<FakeVendor> {
  const bill: BilledCall[] = [];
  /** Beginnings in the cache, by who sent them. */
  const caches = new Map<string, Set<string>>();
  const busy = new Set<string>();
  const serving = new Set<Promise<void>>();
  const servers: HttpServer[] = [];

  async function listen(dialects: readonly Dialect[], billing: BillingApi): Promise<string> {
    const route = async (exchange: Exchange): Promise<Answer | undefined> => {
      if (exchange.method === "GET") return answerBilling(billing, exchange, Date.now());
      const served = serve(dialects, exchange).catch(() => void exchange.response.destroy());
      serving.add(served);
      await served.finally(() => serving.delete(served));
      return undefined;
    };
    const failed = (): Answer => ({ status: 500 });
    const server = await serveHttp({ name: "the demo's vendor", port: 0, route, failed });
    servers.push(server);
    return server.url;
  }

  async function serve(dialects: readonly Dialect[], { method, path, request, response }: Exchange) {
    const dialect = dialects.find((one) => one.path === path && method === "POST");
    const body = await readJson(request);
    if (!dialect || !body) return sendAnswer(response, { status: 404 });
    const call = { agent: agentOf(request), path, stream: body.stream === true };
    const trouble = String(request.headers["x-demo"] ?? "");

    const refuse = (status: number, message: string): void => {
      const none = noTokens();
      const facts = { model: String(body.model), status, ending: "failed", tier: "default", at: Date.now() } as const;
      bill.push({ ...call, ...facts, tokens: none, parts: none, cost: 0 });
      sendAnswer(response, { status, body: dialect.error(status, message), headers: { "retry-after-ms": "60" } });
    };
    if (trouble.startsWith("busy:") && !busy.has(trouble)) {
      busy.add(trouble);
      return refuse(429, "Rate limit reached. Please try again in 60ms.");
    }
    if (servedModel(String(body.model)) === undefined) return refuse(404, `The model \`${body.model}\` does not exist`);

    const seen = caches.get(call.agent) ?? new Set<string>();
    caches.set(call.agent, seen);
    const job = dialect.open(body, seen);
    const cut = /^cut:(\d+)$/.exec(trouble)?.[1];
    const way = call.stream ? streamed : whole;
    const ending = await way(dialect, job, response, cut === undefined ? undefined : Number(cut));
    const tokens = { ...job.tokens };
    const parts = costParts(job.model, tokens, job.tier);
    const cost = Object.values(parts).reduce((sum, part) => sum + part, 0);
    const { id, served: model, tier } = job;
    bill.push({ ...call, id, model, tier, status: 200, ending, tokens, parts, cost, at: Date.now() });
  }

  async function streamed(dialect: Dialect, job: Job, response: ServerResponse, cut?: number) {
    const gone = watch(response);
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-request-id": `req_${job.id}` });
    response.flushHeaders();
    let terminal = false;
    let sent = 0;
    for (const frame of dialect.frames(job)) {
      response.write(frame.wire);
      terminal ||= frame.terminal === true;
      if (++sent === cut) {
        // The frames sent so far reach the caller before the connection breaks.
        await wait(5 * paceMs);
        response.destroy();
        return "failed";
      }
      await wait(paceMs);
      if (gone.aborted && !terminal) return "canceled";
    }
    response.end();
    return "completed";
  }

  async function whole(dialect: Dialect, job: Job, response: ServerResponse) {
    const gone = watch(response);
    const text = JSON.stringify(dialect.whole(job));
    await wait(job.reply.length * paceMs * 0.5, undefined, { signal: gone }).catch(() => undefined);
    if (gone.aborted) return "canceled";
    response.writeHead(200, { "content-type": "application/json", "x-request-id": `req_${job.id}` }).end(text);
    return "completed";
  }

  return {
    openai: await listen(OPENAI, openaiOffice(bill)),
    anthropic: await listen(ANTHROPIC, anthropicOffice(bill)),
    bill,
    async idle() {
      while (serving.size > 0) await Promise.all(serving);
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

/** Aborts when the caller goes away before the answer is complete. */
function watch(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return gone.signal;
}

function agentOf(request: IncomingMessage): string {
  const key = request.headers["x-api-key"] ?? request.headers.authorization ?? "";
  return /\bdemo-(.+)$/.exec(String(key))?.[1] ?? "unknown";
}

async function readJson(request: IncomingMessage): Promise<Json | undefined> {
  const body = await readBody(request, BODY_LIMITS);
  if (body.type === "refused") return undefined;
  try {
    return JSON.parse(body.bytes.toString("utf8")) as Json;
  } catch {
    return undefined;
  }
}
