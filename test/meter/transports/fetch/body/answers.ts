import type { Usage } from "../../../../../src/core/usage.ts";
import * as wire from "../../../../servers/formats.ts";

/** What a model API answers to one kind of request, and what of it is to be metered. */
export interface Kind {
  readonly stream: boolean;
  /** We ask for the usage, and take out again what the caller did not ask for. */
  readonly hidden: boolean;
  readonly contentType: string;
  readonly request: string;
}

const WORDS = ["Hello", " wörld", ", this is", " 漢字", " and 🙂", ' "quoted"', "\n\n", " at the end", " of it", "."];

const ORIGIN = { id: "chatcmpl-1", model: "gpt-5-mini" };
const USAGE = wire.chatUsage({ input: 110, output: 37, cached: 64, reasoning: 12 });

export const METERED: Usage = {
  input: 110,
  output: 37,
  cacheRead: 64,
  cacheWrite: 0,
  cacheWrite1h: 0,
  reasoning: 12,
  webSearches: 0,
};

/** The event stream as OpenAI writes it, to those who asked for usage and to the others. */
export function eventStream(asked: boolean): string {
  const more = asked ? { usage: null } : {};
  return [
    wire.chatDelta(ORIGIN, { role: "assistant", content: "" }, more),
    ...WORDS.map((content) => wire.chatDelta(ORIGIN, { content }, more)),
    wire.chatDelta(ORIGIN, {}, more, "stop"),
    asked ? wire.chatChunk(ORIGIN, [], { usage: USAGE }) : "",
    wire.DONE,
  ].join("");
}

export const WHOLE = JSON.stringify(
  wire.chatCompletion({ ...ORIGIN, id: "chatcmpl-2" }, { content: WORDS.join("") }, USAGE),
);

const request = (more: object): string =>
  JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Say hello, please." }], ...more });

export const KINDS: Readonly<Record<string, Kind>> = {
  "stream, usage asked": {
    stream: true,
    hidden: false,
    contentType: "text/event-stream; charset=utf-8",
    request: request({ stream: true, stream_options: { include_usage: true } }),
  },
  "stream, usage hidden": {
    stream: true,
    hidden: true,
    contentType: "text/event-stream; charset=utf-8",
    request: request({ stream: true }),
  },
  JSON: { stream: false, hidden: false, contentType: "application/json", request: request({}) },
};

/** The body that this request gets. */
export function bodyFor(sent: string): string {
  const json = JSON.parse(sent) as { stream?: boolean; stream_options?: { include_usage?: boolean } };
  return json.stream === true ? eventStream(json.stream_options?.include_usage === true) : WHOLE;
}

/** The size of a chunk, in bytes. */
export const CHUNK = 97;

/** Cuts that fall inside frames, characters and escapes. */
export function pieces(body: Buffer, size: number): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) found.push(body.subarray(at, at + size));
  return found;
}
