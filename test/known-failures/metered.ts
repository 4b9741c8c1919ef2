import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { expect } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import type { Sums } from "../../src/core/ledger.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import type { ModelServer } from "../servers/model-server.ts";

// The slot of the `process` tag is claimed in this folder, and not in that of the user who runs the tests.
process.env.SPENDFUSE_STATE_DIR = mkdtempSync(join(tmpdir(), "spendfuse-known-"));

/** One process of ours with nothing in it yet, and what it says and settles. */
export interface Metered {
  readonly runtime: Runtime;
  readonly calls: readonly SettledCall[];
  /** Lines logged. */
  readonly said: readonly string[];
  /** The metered fetch. Requests to any host reach `server`. */
  readonly fetch: typeof fetch;
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  /**
   * The call that settles, by itself: nothing is flushed before it came. Fails when it does not, when another one
   * settles too, or when any step of ours failed.
   */
  one(): Promise<SettledCall>;
  settled(count: number): Promise<readonly SettledCall[]>;
  sums(account?: string): Readonly<Sums> | undefined;
}

/** How long anything may take that is to happen at once. */
const BOUND = 3_000;

export function meter(server: ModelServer, inner: typeof fetch = toServer(server)): Metered {
  const said: string[] = [];
  const calls: SettledCall[] = [];
  const runtime = createRuntime((message) => said.push(message));
  let look = () => {};
  runtime.listeners.add((call) => {
    calls.push(call);
    look();
  });
  const metered = runtime.wrapFetch(inner);

  async function settled(count: number): Promise<readonly SettledCall[]> {
    const enough = Promise.withResolvers<void>();
    look = () => calls.length >= count && enough.resolve();
    look();
    await within(enough.promise, () => `${calls.length} of ${count} calls settled`);
    return calls;
  }

  return {
    runtime,
    calls,
    said,
    fetch: metered,
    openai: new OpenAI({ apiKey: "sk-known", fetch: metered, maxRetries: 0 }),
    anthropic: new Anthropic({ apiKey: "sk-known", fetch: metered, maxRetries: 0 }),
    settled,
    async one() {
      await settled(1);
      await runtime.flush();
      expect(calls).toHaveLength(1);
      expect(said).toEqual([]);
      expect([...runtime.faults.counts()]).toEqual([]);
      return calls[0] as SettledCall;
    },
    sums: (account = "all") => runtime.ledger.sums(account, "ever", Date.now()),
  };
}

/** A network in which every host is the server. */
export function toServer(server: ModelServer): typeof fetch {
  const network = globalThis.fetch;
  return (input, init) => {
    const request = input instanceof Request ? input : undefined;
    const { pathname, search } = new URL(request ? request.url : String(input));
    const url = `${server.url}${pathname}${search}`;
    return request ? network(new Request(url, request), init) : network(url, init);
  };
}

/** Fails instead of hanging. */
export async function within<T>(event: PromiseLike<T>, what: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what()} after ${BOUND} ms`)), BOUND);
  try {
    return await Promise.race([event, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The server's side of the last request: the client went away, and did not just stop reading. */
export async function expectLeft(server: ModelServer): Promise<void> {
  const visit = await server.visit(server.visits.length - 1);
  const over = await within(visit.over, () => "the server saw no cancellation");
  expect(over.by).toBe("client");
}

/** Tokens of a text as an estimate may give them: a token is three to six bytes of it. */
export function expectNear(tokens: number | undefined, text: string): void {
  expect(tokens).toBeGreaterThanOrEqual(text.length / 6);
  expect(tokens).toBeLessThanOrEqual(text.length / 3);
}

export async function drain(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const got: unknown[] = [];
  for await (const item of items) got.push(item);
  return got;
}
