import type { Script, Step, Visit } from "../servers/model-server.ts";
import type { StreamBody, WholeBody } from "./bodies.ts";
import type { Shape } from "./shape.ts";

/** What one settled call must say. */
export interface Expected {
  readonly ending: "completed" | "canceled" | "failed";
  /**
   * `vendor`: what the vendor reports of the whole; `cut`: what has passed by at the cut; `input`: nothing came, so
   * only the input counts; `none`: no usage at all.
   */
  readonly usage: "vendor" | "cut" | "input" | "none";
}

/** What the caller does when it has everything up to the cut, or when the server has sent what it sends. */
export type Act = "leave" | "break" | "abort" | "timeout" | "flush" | "go on";

/** What a script needs to know. */
export interface Stage<B> {
  readonly body: B;
  readonly visit: Visit;
  readonly attempt: number;
  /** Resolves when the caller has acted. */
  readonly acted: Promise<void>;
}

/** What not every way of calling can have. */
export type Kind = "still" | "unread" | "collected" | "late" | "retries";

export interface Ending<B> {
  readonly name: string;
  readonly kind?: Kind;
  readonly script: (stage: Stage<B>) => Script;
  readonly calls: readonly Expected[];
  readonly act?: Act;
  /** When to act: at the marker of the cut, of the last report, or when the server has sent what it sends. */
  readonly when?: "cut" | "last" | "sent";
  /** No head comes before the caller acts. */
  readonly headless?: true;
  /** What the caller does with the answer. */
  readonly reads?: "nothing" | "drops it";
  /** The client is to close the connection, and the server to see it at once. */
  readonly leaves?: true;
  readonly retries?: number;
  /** Milliseconds that the SDK may wait. */
  readonly timeout?: number;
  readonly fits?: (shape: Shape) => boolean;
}

const NOW = { "content-type": "application/json", "x-request-id": "req_1", "retry-after-ms": "1" };

/** How long an SDK may wait, in milliseconds. */
export const TIMEOUT = 60;

export const refused = (status: number, body: StreamBody | WholeBody): Script => ({
  status,
  headers: NOW,
  steps: [body.dialect.refusal(status)],
});

export function pieces(text: string, size: number): readonly Step[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}
