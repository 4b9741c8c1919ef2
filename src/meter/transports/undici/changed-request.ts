import type { OpenCall } from "../../call/open-call.ts";
import { ChangedBody } from "../bodies/changed-body.ts";
import type { DispatchOptions } from "./dispatcher.ts";
import { readable, withValues } from "./headers.ts";
import type { Outgoing } from "./request.ts";

/** What of a request a budget may change. */
export function changeable(call: OpenCall, outgoing: Outgoing): ChangedBody {
  let read = outgoing;
  outgoing.later?.then((later) => {
    read = later;
  });
  return new ChangedBody(call, {
    address: outgoing.options.path ?? "",
    text: () => textOf(read),
    headers: () => readable(outgoing.options.headers),
    mayResize: true,
    mayMove: true,
  });
}

/** The options of a request with what was changed in it. */
export function changedOptions(options: DispatchOptions, { sent }: ChangedBody): DispatchOptions {
  if (sent === undefined) return options;
  const body = typeof options.body === "string" ? sent.body : Buffer.from(sent.body);
  const length = { "content-length": String(Buffer.byteLength(sent.body)) };
  const headers = options.headers === undefined ? undefined : withValues(options.headers, length);
  return { ...options, path: sent.address, body, headers };
}

function textOf({ options: { body }, text }: Outgoing): string | undefined {
  if (typeof body === "string") return body;
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return new TextDecoder().decode(body);
  return text?.();
}
