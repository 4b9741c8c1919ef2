import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { readBody } from "../http/body.ts";
import { type Answer, type Exchange, sendAnswer } from "../http/exchange.ts";
import { type HttpServer, serveHttp } from "../http/server.ts";
import { anthropicMessages } from "./fake-vendor/anthropic-messages.ts";
import type { BilledCall } from "./fake-vendor/billed-call.ts";
import { answerBilling, type BillingApi } from "./fake-vendor/billing/desk.ts";
import { anthropicOffice, OPENROUTER_PATH, openaiOffice, openrouterOffice } from "./fake-vendor/billing-account.ts";
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
  /** A gateway to the models of the first, which says what each call cost when it is asked. */
  readonly openrouter: string;
  readonly bill: readonly BilledCall[];
  /** Resolves when no call is being served. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

const OPENAI: readonly Dialect[] = [openaiChat, openaiResponses];
const OPENROUTER: readonly Dialect[] = [{ ...openaiChat, path: OPENROUTER_PATH }];
const BODY_LIMITS = { maxBytes: 16 * 1024 * 1024, maxMs: 30_000 };
const ANTHROPIC: readonly Dialect[] = [anthropicMessages];

export interface FakeVendorOptions {
  readonly paceMs?: number;
  readonly books?: BilledCall[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** What the vendor knows and has under way, which each step of serving a call is given. */
interface VendorState {
  readonly paceMs: number;
  readonly bill: BilledCall[];
  /** All that the billing APIs show: the bill, and what was there before. */
  readonly books: BilledCall[];
  readonly now: () => number;
  /** Cached beginnings of prompts, by agent. */
  readonly caches: Map<string, Set<string>>;
  /** The `x-demo` headers that were answered with 429 once. */
  readonly busy: Set<string>;
  /** Calls being served. */
  readonly serving: Set<Promise<void>>;
}

/** A call that was received. */
interface Received {
  readonly dialect: Dialect;
  readonly body: Json;
  readonly model: string;
  readonly response: ServerResponse;
  /** What the bill says of it, however it ends. */
  readonly line: Pick<BilledCall, "agent" | "path" | "stream">;
}

/**
 * `paceMs` is the time between two frames. A request header `x-demo` causes errors: `busy:NAME` answers 429 the first
 * time that name is seen, `cut:N` drops the connection after N frames. `books` are what it has billed before, and get what
 * it bills from now on; `now` is its clock.
 */
export async function startFakeVendor(options: FakeVendorOptions = {}): Promise<FakeVendor> {
  const { paceMs = 9, books = [], now = Date.now } = options;
  const state: VendorState = { paceMs, bill: [], books, now, caches: new Map(), busy: new Set(), serving: new Set() };
  const { bill, serving } = state;
  const openai = await listen(state, OPENAI, openaiOffice(books, now));
  const anthropic = await listen(state, ANTHROPIC, anthropicOffice(books, now));
  const openrouter = await listen(state, OPENROUTER, openrouterOffice(books, now));
  return {
    openai: openai.url,
    anthropic: anthropic.url,
    openrouter: openrouter.url,
    bill,
    async idle() {
      while (serving.size > 0) await Promise.all(serving);
    },
    async close() {
      await Promise.all([openai.close(), anthropic.close(), openrouter.close()]);
    },
  };
}

function listen(state: VendorState, dialects: readonly Dialect[], billing: BillingApi): Promise<HttpServer> {
  const { serving } = state;
  const route = async (exchange: Exchange): Promise<Answer | undefined> => {
    if (exchange.method === "GET") return answerBilling(billing, exchange, state.now());
    const served = serve(state, dialects, exchange).catch(() => void exchange.response.destroy());
    serving.add(served);
    await served.finally(() => serving.delete(served));
    return undefined;
  };
  const failed = (): Answer => ({ status: 500 });
  return serveHttp({ name: "the demo's vendor", port: 0, route, failed });
}

async function serve(state: VendorState, dialects: readonly Dialect[], exchange: Exchange): Promise<void> {
  const { method, path, request, response } = exchange;
  const dialect = dialects.find((one) => one.path === path && method === "POST");
  const body = await readJson(request);
  if (!dialect || !body) return sendAnswer(response, { status: 404 });
  const line = { agent: agentOf(request), path, stream: body.stream === true };
  const call: Received = { dialect, body, model: String(body.model), response, line };
  const trouble = String(request.headers["x-demo"] ?? "");
  if (trouble.startsWith("busy:") && !state.busy.has(trouble)) {
    state.busy.add(trouble);
    return refuse(state, call, 429, "Rate limit reached. Please try again in 60ms.");
  }
  if (servedModel(call.model) === undefined) {
    return refuse(state, call, 404, `The model \`${call.model}\` does not exist`);
  }
  const cut = /^cut:(\d+)$/.exec(trouble)?.[1];
  return answer(state, call, cut === undefined ? undefined : Number(cut));
}

function enter({ bill, books }: VendorState, line: BilledCall): void {
  bill.push(line);
  books.push(line);
}

function refuse(state: VendorState, call: Received, status: number, message: string): void {
  const { dialect, model, response, line } = call;
  const none = noTokens();
  enter(state, {
    ...line,
    model,
    status,
    ending: "failed",
    tier: "default",
    tokens: none,
    parts: none,
    cost: 0,
    at: state.now(),
  });
  sendAnswer(response, { status, body: dialect.error(status, message), headers: { "retry-after-ms": "60" } });
}

/**
 * Generates the answer, sends it, and bills what was generated.
 * @param cut The number of frames after which the connection breaks.
 */
async function answer(state: VendorState, call: Received, cut: number | undefined): Promise<void> {
  const { dialect, body, response, line } = call;
  const { caches, paceMs } = state;
  const seen = caches.get(line.agent) ?? new Set<string>();
  caches.set(line.agent, seen);
  const job = dialect.open(body, seen);
  const send = line.stream ? sendStream : sendWhole;
  const ending = await send(dialect, job, response, paceMs, cut);
  const tokens = { ...job.tokens };
  const parts = costParts(job.model, tokens, job.tier);
  const cost = Object.values(parts).reduce((sum, part) => sum + part, 0);
  const { id, served: model, tier } = job;
  enter(state, { ...line, id, model, tier, status: 200, ending, tokens, parts, cost, at: state.now() });
}

async function sendStream(dialect: Dialect, job: Job, response: ServerResponse, paceMs: number, cut?: number) {
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

async function sendWhole(dialect: Dialect, job: Job, response: ServerResponse, paceMs: number) {
  const gone = watch(response);
  const text = JSON.stringify(dialect.whole(job));
  await wait(job.reply.length * paceMs * 0.5, undefined, { signal: gone }).catch(() => undefined);
  if (gone.aborted) return "canceled";
  response.writeHead(200, { "content-type": "application/json", "x-request-id": `req_${job.id}` }).end(text);
  return "completed";
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
