import type { Readable } from "node:stream";
import type { SettleEvent } from "../../../core/call.ts";
import { parse } from "../../../core/json.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { isFinal } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { HeaderLookup } from "../../wire/headers.ts";
import { createDecoder } from "./decoder.ts";
import { isEventStream } from "./event-stream.ts";
import { type NodeBodyOptions, watchNodeBody } from "./node-body.ts";

/** An answer whose head has come. */
export interface Answer {
  readonly status: number;
  readonly headers: HeaderLookup;
  readonly body: Readable;
  /** What an error of the body, or its close before its end, means. */
  readonly endOf: (error: unknown) => SettleEvent;
  /** See {@link NodeBodyOptions.stop}. */
  readonly stop: NonNullable<NodeBodyOptions["stop"]>;
}

/** A cap's error is small: of a longer one no more is kept. */
const MAX_ERROR = 64 * 1024;

/** Watches the answer to a call for the rest of it. Its bytes come from the wire, coded where the head says so. */
export function watchAnswer(meter: CallMeter, call: OpenCall, { status, headers, body, endOf, stop }: Answer): void {
  // The request that follows a redirect is the call.
  if (status >= 300 && status < 400 && headers.get("location")) call.ours = false;
  if (call.ours === false) {
    call.settle({ type: "end" });
    return;
  }
  const type = headers.get("content-type") ?? "";
  const encoding = headers.get("content-encoding") ?? undefined;
  if (status >= 400 && call.services.gate !== undefined && type.includes("json")) {
    readError(meter, call, status, body, encoding);
  }
  const stream = isEventStream(call, type);
  call.respond(status, stream, headers);
  if (!call.over) watchNodeBody(body, call, meter.abandoned, { encoding, endOf, stop });
}

/** A vendor's own cap: the gate records it. The caller reads the error by itself. */
function readError(
  { faults }: CallMeter,
  call: OpenCall,
  status: number,
  body: Readable,
  encoding: string | undefined,
): void {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const keep = (bytes: Uint8Array): void => {
    size += bytes.length;
    if (size <= MAX_ERROR) chunks.push(new Uint8Array(bytes));
  };
  const tell = (): void => {
    if (size <= MAX_ERROR) isFinal(call, status, parse(Buffer.concat(chunks).toString()), faults);
  };
  const decoder = createDecoder(encoding ?? "", { chunk: keep, end: () => faults.guard("body", tell) });
  if (decoder === null) return;
  const push = body.push.bind(body);
  Object.defineProperty(body, "push", {
    configurable: true,
    writable: true,
    value: (chunk: unknown, coding?: BufferEncoding): boolean => {
      faults.guard("body", () => {
        if (chunk === null) decoder === undefined ? tell() : decoder.end();
        else if (chunk instanceof Uint8Array) decoder === undefined ? keep(chunk) : decoder.add(new Uint8Array(chunk));
      });
      return push(chunk, coding);
    },
  });
}
