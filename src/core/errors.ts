/** Stable codes, for programs to branch on. */
export type ErrorCode =
  | "SPENDFUSE_CONFIG"
  | "SPENDFUSE_USAGE"
  | "SPENDFUSE_CHARGE"
  | "SPENDFUSE_MISSING_PACKAGE"
  | "SPENDFUSE_EXPORT"
  | "SPENDFUSE_STORE"
  | "SPENDFUSE_DATADOG"
  | "SPENDFUSE_VENDOR"
  | "SPENDFUSE_DEMO"
  /** A stream was cut, or a handshake refused. */
  | "SPENDFUSE_BLOCKED";

const MARK = Symbol.for("spendfuse.error");

/** The one base of every error we throw on purpose. `facts` are the values the message was made of. */
export class SpendfuseError extends Error {
  readonly code: ErrorCode;
  readonly facts: Readonly<Record<string, unknown>>;
  /** @internal */
  readonly [MARK] = true;

  constructor(code: ErrorCode, message: string, facts: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SpendfuseError";
    this.code = code;
    this.facts = facts;
  }
}

/** Whether an error is ours. Holds across two copies of the package, where `instanceof` does not. */
export function isSpendfuseError(error: unknown): error is SpendfuseError {
  return typeof error === "object" && error !== null && MARK in error;
}

/** Refuses what is no function at once: it would be missed only later, where nobody can be told. */
export function requireFunction(caller: string, value: unknown): void {
  if (typeof value === "function") return;
  const message = `${caller}() takes a function, not ${value === null ? "null" : typeof value}`;
  throw new SpendfuseError("SPENDFUSE_USAGE", message, { caller });
}
