import type { Refusal } from "../../../limits/refusal.ts";
import { override } from "../bodies/override.ts";
import type { Session } from "./session.ts";

/** A request of undici's, Node's own or the package's. */
export interface UndiciHandshake {
  readonly method: string;
  readonly origin?: string | URL;
  readonly path: string;
  readonly upgrade?: string | null;
  /** Names and values in turn. */
  readonly headers: string[] | string;
  /** Since undici 8. */
  onResponseError?(error: Error): void;
  onError?(error: Error): void;
}

/** A handshake whose socket has not said anything yet. */
export interface Pending {
  readonly request: UndiciHandshake;
  readonly session: Session;
  refusal: Refusal | undefined;
  /** The vendor has answered, or nobody will: the next event is that of its socket. */
  answered: boolean;
}

/** By their addresses; those that were answered first, in the order of their answers, then in the order of their creation. */
export type PendingHandshakes = Map<string, Pending[]>;

/** Of a request, by the major of undici: how it learns of an answer, or of an error. */
const ANSWERS = [
  "onUpgrade",
  "onRequestUpgrade",
  "onHeaders",
  "onResponseStart",
  "onError",
  "onResponseError",
] as const;

/** Adds a handshake. Sockets with one address may be answered in another order than they were opened in. */
export function addPending(pending: PendingHandshakes, address: string, one: Pending): void {
  const known = pending.get(address);
  if (known === undefined) pending.set(address, [one]);
  else known.push(one);
  const methods = one.request as unknown as Record<(typeof ANSWERS)[number], (...args: unknown[]) => unknown>;
  for (const name of ANSWERS) {
    const method = methods[name];
    if (typeof method !== "function") continue;
    override(methods, name, function (this: unknown, ...args: unknown[]) {
      moveForward(pending.get(address), one);
      return method.apply(this, args);
    });
  }
}

/** Behind those that were answered before. */
function moveForward(waiting: Pending[] | undefined, one: Pending): void {
  const at = waiting?.indexOf(one) ?? -1;
  if (waiting === undefined || at < 0 || one.answered) return;
  one.answered = true;
  waiting.splice(at, 1);
  const first = waiting.findIndex(({ answered }) => !answered);
  waiting.splice(first < 0 ? waiting.length : first, 0, one);
}

/** The handshake of the socket with this address whose first event this is. */
export function takePending(pending: PendingHandshakes, url: string): Pending | undefined {
  const address = url.replace(/^ws/, "http");
  const waiting = pending.get(address);
  const one = waiting?.shift();
  if (waiting?.length === 0) pending.delete(address);
  return one;
}
