import type { MessagePort } from "node:worker_threads";
import type { CallPart, SettledCall } from "../../core/call.ts";
import type { ConfigFile } from "../../core/config-types.ts";
import type { Scope } from "../../core/scope.ts";
import type { Approval } from "../../guard/approval.ts";
import type { Blocked } from "../../guard/blocked.ts";
import type { Upstreams } from "../../proxy/address.ts";

/** What the thread is given. */
export interface ThreadData {
  readonly config: ConfigFile;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly upstreams: Partial<Upstreams>;
  readonly port: MessagePort;
  /** One integer: 0 until the proxy listens, then its port, or -1 when it cannot. */
  readonly listening: Int32Array;
  /** One integer: how often the thread has settled what was open. */
  readonly settled: Int32Array;
}

/** What the thread reports. */
export type ThreadMessage =
  | { readonly type: "say"; readonly line: string }
  | {
      readonly type: "call";
      readonly call: SettledCall;
      readonly parts: readonly CallPart[];
      readonly accounts: readonly string[];
      readonly child: string | undefined;
    }
  /** A program has sent its first request. */
  | { readonly type: "reached"; readonly child: string }
  | { readonly type: "blocked"; readonly scope: Scope; readonly reason: Blocked["reason"]; readonly mode: string }
  /** A call is about to be refused: answered by `asked` at once, and by `answer` when there is one. */
  | { readonly type: "ask"; readonly id: number; readonly blocked: Blocked; readonly scope: Scope };

/** What the thread is told. */
export type AppMessage =
  /** The process ends: what is open settles at once. */
  | { readonly type: "settle" }
  | { readonly type: "asked"; readonly id: number }
  | { readonly type: "answer"; readonly id: number; readonly approval: Approval | undefined };
