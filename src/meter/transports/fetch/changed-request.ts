import type { OpenCall } from "../../call/open-call.ts";
import { treatmentHeaders } from "../../call/treatment.ts";
import { withoutSlashes } from "../../wire/target.ts";
import { ChangedBody } from "../bodies/changed-body.ts";
import type { Begun } from "./begun-request.ts";
import { type FetchInit, type FetchInput, headersOf, isRequest } from "./request.ts";
import { showHeaders } from "./shown-response.ts";

/** What of a request a budget may change. */
export function changeable(call: OpenCall, { input, init, text }: Begun): ChangedBody {
  const body: unknown = init?.body ?? undefined;
  return new ChangedBody(call, {
    address: isRequest(input) ? input.url : String(input),
    text: () => (body === undefined || body instanceof Blob ? text?.() : textOf(body)),
    headers: () => headersOf(input, init),
    mayResize: false,
    // What the runtime keeps in a request beside what it shows would be lost in another.
    mayMove: !isRequest(input),
  });
}

/** A request as it is sent. */
export interface Sent {
  readonly input: FetchInput;
  readonly init: FetchInit;
  /** The path that it is sent to, where that names another model now. */
  readonly path: string | undefined;
}

/** The request with what was changed in it. */
export function changedRequest(input: FetchInput, init: FetchInit, { sent }: ChangedBody): Sent {
  if (sent === undefined) return { input, init, path: undefined };
  const before: unknown = init?.body ?? undefined;
  const moved = !isRequest(input) && sent.address !== String(input);
  // As after a fetch of it, the caller's request cannot be sent again.
  if (before === undefined && isRequest(input)) input.body?.cancel().catch(() => {});
  return {
    input: moved ? sent.address : input,
    init: { ...init, body: likeBody(before, sent.body) },
    path: moved ? withoutSlashes(new URL(sent.address).pathname) : undefined,
  };
}

function likeBody(before: unknown, text: string): string | Blob | Buffer<ArrayBuffer> {
  if (typeof before === "string") return text;
  return before instanceof Blob ? new Blob([text], { type: before.type }) : Buffer.from(text);
}

function textOf(body: unknown): string | undefined {
  if (typeof body === "string") return body;
  if (body instanceof ArrayBuffer) return new TextDecoder().decode(body);
  return ArrayBuffer.isView(body) ? new TextDecoder().decode(body) : undefined;
}

/** Shows the caller what budgets did with its call. */
export function showTreatment(response: Response, call: OpenCall): void {
  const said = treatmentHeaders(call);
  if (said === undefined) return;
  const { rawHeaders } = response as { readonly rawHeaders?: readonly string[] };
  if (Array.isArray(rawHeaders)) {
    Object.assign(response, { rawHeaders: [...rawHeaders, ...Object.entries(said).flat()] });
    return;
  }
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(said)) headers.set(name, value);
  showHeaders(response, headers);
}
