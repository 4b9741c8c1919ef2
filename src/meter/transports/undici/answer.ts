import type { SettleEvent } from "../../../core/call.ts";
import type { Faults } from "../../../core/faults.ts";
import { parse } from "../../../core/json.ts";
import { endOf } from "../../call/abandoned-calls.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { isFinal } from "../../call/checkpoint.ts";
import type { InFlight } from "../../call/in-flight-requests.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { treatmentHeaders } from "../../call/treatment.ts";
import type { HeaderLookup } from "../../wire/headers.ts";
import { type CodedPast, keepPast } from "../bodies/coded-past.ts";
import { createDecoder, type Decoder, decodeWhole } from "../bodies/decoder.ts";
import { isEventStream } from "../bodies/event-stream.ts";
import type { PassingBody } from "../bodies/passing-body.ts";
import { createWholeBody, type WholeBody } from "../bodies/whole-body.ts";

/** Statuses with which vendors and gateways report that a cap of theirs is reached, in an error below this size. */
const CAP_STATUSES = new Set([400, 402, 403, 422, 429]);
const MAX_ERROR = 64 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const NOTHING = new Uint8Array(0);

/** How the body of an answer is read. */
type Body =
  | { readonly type: "unread" }
  | { readonly type: "stream" }
  | { readonly type: "whole"; readonly whole: WholeBody }
  | {
      readonly type: "coded";
      readonly decoder: Decoder;
      readonly past: CodedPast | undefined;
      ending: SettleEvent | undefined;
    }
  | { readonly type: "error"; readonly encoding: string; readonly chunks: Uint8Array[]; size: number };

/** What a call learns of its answer on the way to the caller. Never throws. */
export class Answer {
  readonly #meter: CallMeter;
  /** Undefined for a request that only looks like a call. */
  readonly #call: OpenCall | undefined;
  readonly #request: InFlight;
  readonly #passing: PassingBody | undefined;
  #body: Body = { type: "unread" };
  /** What the caller's stream ends with, where it was cut and no event of ours could be added to it. */
  cutBy: Error | undefined = undefined;

  constructor(meter: CallMeter, call: OpenCall | undefined, request: InFlight, passing: PassingBody | undefined) {
    this.#meter = meter;
    this.#call = call;
    this.#request = request;
    this.#passing = passing;
  }

  /** The stream was cut: the caller gets its end, and nothing more. */
  get isCut(): boolean {
    return this.#call?.isCut === true;
  }

  /** Headers that tell the caller what budgets did with its call; undefined where they did nothing. */
  get said(): Readonly<Record<string, string>> | undefined {
    return this.#call === undefined ? undefined : treatmentHeaders(this.#call);
  }

  /** The head of the answer, which may come after others that only inform. */
  head(status: number, headers: HeaderLookup): void {
    if (status < 200) return;
    this.#meter.inFlight.end(this.#request);
    const call = this.#call;
    if (call === undefined) return;
    try {
      if (this.#passing?.asked === true) call.hides = true;
      this.#body = this.#open(call, status, headers);
    } catch (error) {
      this.#meter.faults.report("body", error);
      call.settle({ type: "collect", unseen: true });
    }
  }

  #open(call: OpenCall, status: number, headers: HeaderLookup): Body {
    // Whoever follows a redirect sends a request of its own, which is the call then.
    if (REDIRECTS.has(status) && headers.get("location")) call.ours = false;
    if (call.ours === false) {
      call.settle({ type: "end" });
      return { type: "unread" };
    }
    const type = headers.get("content-type") ?? "";
    const stream = isEventStream(call, type);
    call.respond(status, stream, headers);
    if (call.services.gate !== undefined && CAP_STATUSES.has(status) && type.includes("json")) {
      return { type: "error", encoding: headers.get("content-encoding") ?? "", chunks: [], size: 0 };
    }
    if (call.over) return { type: "unread" };
    return readCoded(call, headers) ?? (stream ? { type: "stream" } : { type: "whole", whole: createWholeBody(call) });
  }

  /** Takes the next chunk; returns what the caller gets. */
  data(chunk: Uint8Array): Uint8Array {
    const body = this.#body;
    switch (body.type) {
      case "stream":
        return (this.#call as OpenCall).chunk(chunk);
      case "whole":
        return body.whole.add(chunk);
      case "coded":
        return this.#codedData(body, chunk);
      case "error":
        body.size += chunk.byteLength;
        if (body.size <= MAX_ERROR) body.chunks.push(new Uint8Array(chunk));
        return chunk;
      default:
        return chunk;
    }
  }

  #codedData(body: Extract<Body, { type: "coded" }>, chunk: Uint8Array): Uint8Array {
    const cut = this.#meter.faults.guard("body", () => body.past?.next(chunk));
    if (cut === undefined) {
      body.decoder.add(chunk);
      return chunk;
    }
    (this.#call as OpenCall).cutBy = "done";
    body.ending = { type: "cancel" };
    body.decoder.cut();
    if (cut.type === "tail") return cut.bytes;
    this.cutBy = cut.error;
    return NOTHING;
  }

  /** The answer has ended. Returns the bytes held back. */
  end(): Uint8Array {
    const body = this.#body;
    this.#body = { type: "unread" };
    switch (body.type) {
      case "stream":
        return (this.#call as OpenCall).end();
      case "whole":
        return body.whole.end();
      case "coded":
        body.decoder.end();
        return NOTHING;
      case "error":
        readCap(this.#call as OpenCall, body, this.#meter.faults);
        return NOTHING;
      default:
        this.#call?.settle({ type: "end" });
        return NOTHING;
    }
  }

  /**
   * The request failed, or its answer broke off. Returns the bytes held back.
   * @param aborted The reader did it, for whatever reason it gave.
   */
  fail(error: unknown, aborted = false): Uint8Array {
    this.#meter.inFlight.end(this.#request);
    const call = this.#call;
    if (call === undefined) return NOTHING;
    const body = this.#body;
    this.#body = { type: "unread" };
    if (this.#request.sent === false) call.givenUp ??= "sending";
    const event: SettleEvent = aborted ? { type: "cancel" } : endOf(error, call);
    if (body.type === "stream") return call.breakOff(event);
    if (body.type === "coded") {
      body.ending = event;
      body.decoder.cut();
    } else call.settle(event);
    return NOTHING;
  }
}

/** The body of a coded answer; undefined where it is not coded. */
function readCoded(call: OpenCall, headers: HeaderLookup): Body | undefined {
  const whole = createWholeBody(call);
  const encoding = headers.get("content-encoding") ?? "";
  const decoder = createDecoder(encoding, {
    chunk(bytes) {
      if (call.stream) call.chunk(bytes);
      else whole.add(bytes);
    },
    end(broken) {
      if (body.ending !== undefined) call.breakOff(body.ending);
      else if (broken) call.breakOff({ type: "error" });
      else whole.end();
    },
  });
  if (decoder === undefined) return undefined;
  call.coded = true;
  const past = keepPast(call, encoding);
  const body = {
    type: "coded",
    decoder: decoder as Decoder,
    past,
    ending: undefined as SettleEvent | undefined,
  } as const;
  if (decoder !== null) {
    call.catchUp = decoder.catchUp;
    return body;
  }
  call.settle({ type: "collect", unseen: true });
  return { type: "unread" };
}

/** A vendor's own cap: the gate records it. */
function readCap(call: OpenCall, body: Extract<Body, { type: "error" }>, faults: Faults): void {
  const { encoding, chunks, size } = body;
  if (size > MAX_ERROR) return;
  faults.guard("body", () => {
    const text = decodeWhole(encoding, Buffer.concat(chunks));
    if (text !== undefined) isFinal(call, call.status as number, parse(Buffer.from(text).toString()), faults);
  });
}
