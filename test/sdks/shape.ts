import type { Bodies, StreamBody, WholeBody } from "./bodies.ts";
import type { Kind } from "./endings.ts";

/** Where a call goes, and what the caller set for it. */
export interface Site {
  readonly url: string;
  readonly key: string;
  readonly signal: AbortSignal;
  /** Milliseconds; absent is the SDK's own. */
  readonly timeout: number | undefined;
  readonly retries: number;
}

/** The caller's eyes: told of everything that the caller gets. */
export interface Watch {
  /** Keeps the item. Resolves to true when this caller breaks off here. */
  see(item: unknown): Promise<boolean>;
  /** The same for bytes, whose borders mean nothing: only their sum is kept. */
  bytes(chunk: Uint8Array): Promise<boolean>;
  /** Whether the caller broke off. */
  readonly broke: boolean;
  /** The caller does not cancel what it broke off, but drops it. */
  readonly leaves: boolean;
}

/** A vendor as this package knows it from the host. */
export type HostKind = "openai" | "unknown" | "azure" | "anthropic" | "google";

interface AnyShape {
  readonly name: string;
  readonly host: HostKind;
  /** Makes the call, inside the agent's scope. What it returns is passed on as it is, also a promise. */
  open(site: Site): unknown;
  /**
   * Endings that this way of calling cannot have, with or without us: a break waits for the next frame, it reads by
   * itself, it is held and never collected, it shows no end, it does not try again.
   */
  readonly never?: readonly Kind[];
  /** The SDK also tries again when the connection breaks, after half a second: one row of each SDK does. */
  readonly retriesCuts?: true;
  /**
   * A break does not close the connection, with or without us. The call settles when the body is collected, or stays
   * open as long as the SDK holds it.
   */
  readonly breakLingers?: "collected" | "held";
  /** The caller holds the only way to read on, and can drop it. */
  readonly droppable?: true;
  /** Reads what has come before it is asked to. */
  readonly readsAhead?: true;
  /** The SDK waits a second before it tries again: one row does. */
  readonly slowRetries?: true;
}

/** One way of calling a model with one SDK, whose answer streams. */
export interface StreamShape extends AnyShape {
  readonly kind: "stream";
  readonly body: Bodies<StreamBody>;
  /** Reads what `open` gave, outside the scope, and returns what else the caller has at the end. */
  read(handle: never, watch: Watch): Promise<unknown>;
}

/** One way of calling a model whose answer is whole. */
export interface WholeShape extends AnyShape {
  readonly kind: "whole";
  /** The body is left to the caller, who may not read it. */
  readonly bare?: true;
  readonly body: Bodies<WholeBody>;
  read(handle: never): Promise<unknown>;
}

export type Shape = StreamShape | WholeShape;

/** Reads anything that can be iterated. */
export async function each(items: AsyncIterable<unknown>, watch: Watch): Promise<void> {
  for await (const item of items) if (await watch.see(item)) break;
}

export async function eachChunk(reader: ReadableStreamDefaultReader<Uint8Array>, watch: Watch): Promise<void> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (!(await watch.bytes(value))) continue;
    if (!watch.leaves) await reader.cancel();
    return;
  }
}

/** A response as it looks to the caller, without its body. */
export function headOf(response: Response): object {
  const { status, statusText, ok, redirected, type, url } = response;
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== "date"));
  const kind = response instanceof Response && Object.prototype.toString.call(response);
  // Below the root that is of this run alone.
  const path = new URL(url).pathname.replace(/^\/\d+/, "");
  return { status, statusText, ok, redirected, type, path, headers, kind };
}
