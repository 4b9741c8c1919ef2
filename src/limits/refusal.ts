/** Why a call was refused by us and not by the vendor. */
export interface Blocked {
  readonly reason: "budget" | "circuit" | "vendor_cap";
  /** The scope that is over its limit, such as `agent:researcher`; `all` is everything together. */
  readonly scope: string;
  readonly spentUsd?: number;
  readonly limitUsd?: number;
  /** What the refused call may cost; absent where a stream was cut. */
  readonly needUsd?: number;
  /** Reserved by calls under way, in all processes. */
  readonly heldUsd?: number;
  /** Kept for calls inside `finalise()`; absent where the call was one. */
  readonly keptUsd?: number;
  /** Milliseconds since the epoch; absent when waiting does not help. */
  readonly until?: number;
  /** The budget's name. */
  readonly budget?: string;
  /** Of a budget that counts tokens, calls or seconds of calls. */
  readonly unit?: "tokens" | "calls" | "seconds";
  readonly spent?: number;
  readonly limit?: number;
  readonly need?: number;
  readonly held?: number;
  readonly kept?: number;
  /** The budget's window: `run`, `hour`, `day`, `month`, or the length of a moving one, such as `5h`. */
  readonly per?: string;
  /** The run, of a budget per run. */
  readonly run?: string;
  /** Who opened the circuit. */
  readonly source?: "datadog" | "alertmanager" | "budget" | "vendor_cap" | "operator";
  /** The cause, in words. */
  readonly why?: string;
  /** The call is only refused because its state is unknown: no answer came, or a fault of ours kept it from being read. */
  readonly unknown?: "no answer" | "fault";
}

/** The status of every refusal: no SDK tries a 402 again. */
export const REFUSAL_STATUS = 402;

/** The answer to a call that is refused, whatever carries the call. */
export interface Refusal {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON, as the vendor writes errors. */
  readonly body: string;
}

/** One event of a stream: its name, where the vendor names events, and its data. */
export interface StreamEvent {
  readonly name?: string;
  readonly data: object;
}

/**
 * How a wire format writes a refusal, so that SDKs raise it as the vendor's own error. Both hold the message, and
 * `blocked` in a member `spendfuse` where the SDK keeps the error's members, for `isBlocked` to find.
 */
export interface RefusalShape {
  /** Headers by which SDKs tell the kind of an error, beside those of every refusal. */
  readonly headers?: Readonly<Record<string, string>>;
  /** {@link REFUSAL_STATUS} unless its clients read errors from answers of another. */
  readonly status?: 200;
  /** The body of the answer. */
  body(message: string, blocked: Blocked): object;
  /** The event that ends a stream in its middle. */
  event(message: string, blocked: Blocked): StreamEvent;
}
