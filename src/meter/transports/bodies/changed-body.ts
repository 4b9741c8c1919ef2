import type { ChangeOutcome, RequestChange } from "../../../limits/ladder.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { Changeable } from "../../call/services.ts";
import { type ChangedRequest, changeRequest } from "../../wire/changes/change-request.ts";
import { hasHeader, readHeader } from "../../wire/headers.ts";

/** A request as its transport could still change it. */
export interface ChangeableRequest {
  /** Where it goes: an address, or a path with its query. */
  readonly address: string;
  /** What is sent, uncoded and whole; undefined where it is not known before it is sent. */
  text(): string | undefined;
  /** In any form. */
  headers(): unknown;
  /** Whether a `content-length` of the caller's can be said anew. */
  readonly mayResize: boolean;
  /** Whether it may be sent to another path. */
  readonly mayMove: boolean;
}

/** What a budget changed in a request. Nothing of the request itself is touched: its transport sends this in its place. */
export class ChangedBody implements Changeable {
  sent: ChangedRequest | undefined = undefined;
  readonly #call: OpenCall;
  readonly #request: ChangeableRequest;
  #facts: OpenCall["facts"] | undefined = undefined;

  constructor(call: OpenCall, request: ChangeableRequest) {
    this.#call = call;
    this.#request = request;
  }

  get changes(): ChangedRequest["changes"] | undefined {
    return this.sent?.changes;
  }

  change(change: RequestChange): ChangeOutcome {
    const { facts, target } = this.#call;
    const { address, mayMove, mayResize } = this.#request;
    // A call that waited is looked at again: what it was changed to is changed no further.
    if (this.sent !== undefined) return "changed";
    if (target.format.settings === undefined) return "nothing";
    const text = this.#request.text();
    if (text === undefined || isFixed(this.#request.headers(), mayResize)) return "fixed";
    const changed = changeRequest(target, address, text, facts, change);
    if (typeof changed === "string") return changed;
    if (changed.address !== address && !mayMove) return "fixed";
    this.sent = changed;
    this.#facts = facts;
    this.#call.facts = changed.facts;
    return "changed";
  }

  /** It could not be sent after all: the request goes out as it was. */
  undo(): void {
    if (this.#facts !== undefined) this.#call.facts = this.#facts;
    this.#facts = undefined;
    this.sent = undefined;
  }
}

/** Headers that say something of the body's bytes. */
const OF_THE_BYTES = ["content-encoding", "content-md5", "content-digest", "repr-digest", "digest", "signature"];

/** The caller has encoded the body, or said its length, a digest or a signature of it. */
function isFixed(headers: unknown, mayResize: boolean): boolean {
  if (!mayResize && hasHeader(headers, "content-length")) return true;
  if (OF_THE_BYTES.some((name) => hasHeader(headers, name))) return true;
  const hash = readHeader(headers, "x-amz-content-sha256");
  return hash !== undefined || readHeader(headers, "authorization")?.startsWith("AWS4-") === true;
}
