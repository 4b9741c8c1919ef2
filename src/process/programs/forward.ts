import type { CallPart, SettledCall } from "../../core/call.ts";
import type { Scope, ScopeNode } from "../../core/scope.ts";
import type { Approve } from "../../guard/approval.ts";
import type { Blocked } from "../../guard/blocked.ts";

/** Takes to the app's own thread what the thread of the proxy sees. */
export interface Forward {
  /** A settled call, its parts, the scope that it belongs to, and the number of the program that made it. */
  call(call: SettledCall, parts: readonly CallPart[], node: ScopeNode, child: string | undefined): void;
  /** A call was refused, or in shadow mode would have been. */
  blocked(scope: Scope, reason: Blocked["reason"], mode: string): void;
  /** Asks the app's `onBlocked()`. */
  readonly approve: Approve;
  /** The program whose request is passed on where this is called. */
  child(): string | undefined;
}
