import type { RequestChange } from "../../../limits/ladder.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { Changeable } from "../../call/services.ts";
import { treatmentHeaders } from "../../call/treatment.ts";
import { type Changes, changeRequest } from "../../wire/changes/change-request.ts";
import { hasHeader, readHeader } from "../../wire/headers.ts";
import { withoutSlashes } from "../../wire/target.ts";
import { type FetchInit, type FetchInput, headersOf, isRequest } from "./request.ts";
import { showHeaders } from "./shown-response.ts";

/** A request of fetch that a budget may change, and as it is sent once one has. */
export class ChangeableRequest implements Changeable {
  input: FetchInput;
  init: FetchInit;
  /** The path that it is sent to, where that names another model now. */
  path: string | undefined = undefined;
  changes: Changes | undefined = undefined;
  readonly #call: OpenCall;

  constructor(call: OpenCall, input: FetchInput, init: FetchInit) {
    this.#call = call;
    this.input = input;
    this.init = init;
  }

  /** Returns whether anything was changed. */
  change(change: RequestChange): boolean {
    const call = this.#call;
    const { input, init } = this;
    const body = textOf(init);
    if (body === undefined || isRequest(input) || isFixed(headersOf(input, init))) return false;
    const address = String(input);
    const changed = changeRequest(call.target, address, body, call.facts, change);
    if (changed === undefined) return false;
    const sent = typeof init?.body === "string" ? changed.body : Buffer.from(changed.body);
    this.init = { ...init, body: sent };
    if (changed.address !== address) {
      this.input = changed.address;
      this.path = withoutSlashes(new URL(changed.address).pathname);
    }
    call.facts = changed.facts;
    this.changes = changed.changes;
    return true;
  }
}

function textOf(init: FetchInit): string | undefined {
  const body: unknown = init?.body;
  if (typeof body === "string") return body;
  if (body instanceof ArrayBuffer) return new TextDecoder().decode(body);
  return ArrayBuffer.isView(body) ? new TextDecoder().decode(body) : undefined;
}

/** The caller has encoded the body, or said its length or a signature of it. */
function isFixed(headers: unknown): boolean {
  if (hasHeader(headers, "content-length") || hasHeader(headers, "content-encoding")) return true;
  return readHeader(headers, "authorization")?.startsWith("AWS4-") === true;
}

/** Shows the caller what budgets did with its call. */
export function showTreatment(response: Response, call: OpenCall): void {
  const said = treatmentHeaders(call);
  if (said === undefined) return;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(said)) headers.set(name, value);
  showHeaders(response, headers);
}
