import { object, parse } from "../../core/json.ts";
import type { DeltaShapes } from "./delta-template.ts";
import type { RequestFacts, WireFormat } from "./formats/format.ts";
import type { Host } from "./hosts.ts";

export type FetchInput = Parameters<typeof fetch>[0];
export type FetchInit = Parameters<typeof fetch>[1];

/** A request to a model API, recognised by its path, then its host. */
export interface Target {
  readonly format: WireFormat;
  readonly host: Host | undefined;
  /** The vendor by its OpenTelemetry name. */
  readonly provider: string;
  /** Host with port. */
  readonly address: string;
  readonly path: string;
  readonly method: string;
  /** What was learned of the streams of this API. */
  readonly shapes: DeltaShapes;
}

/** Any path of any wire format has one of these in it: the one check that every other request costs. */
const MAYBE = /\/(?:completions|responses|embeddings|messages)\b|enerateContent|awPredict/;

export type Classify = (input: FetchInput, init: FetchInit) => Target | undefined;

type HostLookup = (host: string) => Host | undefined;

/** `lookups` gives the same lookup until the configuration changes. */
export function createClassifier(formats: readonly WireFormat[], lookups: () => HostLookup): Classify {
  let known = new Map<string, Target | undefined>();
  let knownBy: HostLookup | undefined;

  return (input, init) => {
    const address = typeof input === "string" ? input : addressOf(input);
    if (address === undefined || !MAYBE.test(address)) return undefined;
    const method = (init?.method ?? (isRequest(input) ? input.method : "GET")).toUpperCase();
    const lookup = lookups();
    if (lookup !== knownBy || known.size >= MAX_KNOWN) known = new Map();
    knownBy = lookup;
    const key = `${method} ${address}`;
    let target = known.get(key);
    if (target === undefined && !known.has(key)) {
      target = find(method, address, lookup);
      known.set(key, target);
    }
    return target;
  };

  function find(method: string, address: string, lookup: HostLookup): Target | undefined {
    const url = URL.parse(address);
    if (url === null) return undefined;
    const path = url.pathname.length > 1 ? url.pathname.replace(/\/+$/, "") : url.pathname;
    for (const format of formats) {
      if (format.matches(method, path)) {
        const host = lookup(url.host);
        return {
          format,
          host,
          provider: providerOf(host, format),
          address: url.host,
          path,
          method,
          shapes: new Map(),
        };
      }
    }
    return undefined;
  }
}

/** A gateway that is like OpenAI may speak other vendors' formats as well, which OpenAI does not. */
function providerOf(host: Host | undefined, format: WireFormat): string {
  if (host === undefined || (host.provider === "openai" && format.provider !== "openai")) return format.provider;
  return host.provider;
}

/** Addresses remembered; some hold an id of their own. */
const MAX_KNOWN = 500;

function addressOf(input: FetchInput): string | undefined {
  if (input instanceof URL) return input.href;
  if (isRequest(input)) return input.url;
  return input === undefined || input === null ? undefined : String(input);
}

/** A `Request` of any fetch implementation. */
export function isRequest(input: unknown): input is Request {
  return typeof input === "object" && input !== null && "url" in input && "headers" in input && "method" in input;
}

/** A request as it goes out, and what it says. */
export interface Outgoing {
  readonly input: FetchInput;
  readonly init: FetchInit;
  /** Known at once when the body is text; otherwise later, or undefined when it cannot be read. */
  readonly facts: RequestFacts | undefined | Promise<RequestFacts | undefined>;
  /** The facts that come later come with the sending of the request, not before. */
  readonly sends?: true;
  /** We asked for usage that the caller did not ask for. */
  readonly asked: boolean;
}

/** Reads the body without consuming or changing it. The only change is the question for usage, where allowed. */
export function readOutgoing(target: Target, input: FetchInput, init: FetchInit, mayAsk: boolean): Outgoing {
  if (target.method === "GET") return { input, init, facts: RETRIEVAL, asked: false };
  const body: unknown = init?.body ?? undefined;
  if (typeof body === "string") {
    const facts = factsOf(target, body);
    if (facts?.lacksUsage === true && mayAsk && !hasHeader(init?.headers, "content-length")) {
      const question = askForUsage(body, facts.hasStreamOptions === true);
      if (question !== undefined) return { input, init: { ...init, body: question }, facts, asked: true };
    }
    return { input, init, facts, asked: false };
  }
  if (body instanceof Uint8Array || body instanceof ArrayBuffer) {
    return { input, init, facts: factsOf(target, new TextDecoder().decode(body)), asked: false };
  }
  if (body instanceof Blob) {
    return { input, init, facts: body.text().then((text) => factsOf(target, text)), asked: false };
  }
  if (body instanceof ReadableStream) {
    const { stream, text } = overhear(body as ReadableStream<Uint8Array>);
    return {
      input,
      init: { ...init, body: stream },
      facts: text.then((t) => factsOf(target, t)),
      sends: true,
      asked: false,
    };
  }
  if (body === undefined && isRequest(input) && input.body !== null && !input.bodyUsed) {
    // A request body, unlike a response, is the caller's to send whole: its copy keeps length and source.
    const copy = input.clone();
    return { input, init, facts: copy.text().then((text) => factsOf(target, text)), asked: false };
  }
  return { input, init, facts: undefined, asked: false };
}

const RETRIEVAL: RequestFacts = {
  model: undefined,
  stream: false,
  inputBytes: undefined,
  attachments: 0,
  retrieval: true,
};

function factsOf(target: Target, text: string): RequestFacts | undefined {
  const body = object(parse(text));
  return body && target.format.readRequest(body, target.path);
}

/** Puts `stream_options.include_usage` into a body; every other byte of it stays as it was, where that is possible. */
function askForUsage(body: string, hasStreamOptions: boolean): string | undefined {
  if (hasStreamOptions) {
    const [own, another] = [...body.matchAll(STREAM_OPTIONS)];
    if (own && !another && !body.includes('"include_usage"')) {
      const at = own.index + own[0].length;
      const more = /^\s*\}/.test(body.slice(at, at + 100)) ? "" : ",";
      return `${body.slice(0, at)}"include_usage":true${more}${body.slice(at)}`;
    }
    const json = object(parse(body));
    return json && JSON.stringify({ ...json, stream_options: { ...object(json.stream_options), include_usage: true } });
  }
  const brace = body.lastIndexOf("}");
  return brace < 0 ? undefined : `${body.slice(0, brace)},"stream_options":{"include_usage":true}${body.slice(brace)}`;
}

/** Its key and brace. In a string every quote has a backslash before it, so that only keys match. */
const STREAM_OPTIONS = /(?<=[{,]\s*)"stream_options"\s*:\s*\{/g;

/** Passes a request's body stream on, keeping a copy of its text. */
function overhear(body: ReadableStream<Uint8Array>): { stream: ReadableStream<Uint8Array>; text: Promise<string> } {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let seen = "";
  const { promise, resolve } = Promise.withResolvers<string>();
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          resolve(seen);
          throw error;
        });
        if (done) {
          resolve(seen + decoder.decode());
          controller.close();
          return;
        }
        if (value instanceof Uint8Array) seen += decoder.decode(value, { stream: true });
        controller.enqueue(value);
      },
      cancel(reason) {
        resolve(seen);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, text: promise };
}

/** Headers that can be read again: fetch takes an iterator as well, which can be read once. */
export function rereadable(init: FetchInit): FetchInit {
  const headers: unknown = init?.headers;
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return init;
  if (!(Symbol.iterator in headers) || typeof (headers as { get?: unknown }).get === "function") return init;
  return { ...init, headers: [...(headers as Iterable<[string, string]>)] };
}

/** Whether there is a header of this name, in any of the forms that fetch takes. */
export function hasHeader(headers: unknown, name: string): boolean {
  return readHeader(headers, name) !== undefined;
}

/** A header's value in any of the forms that fetch takes. `name` is lower case. */
export function readHeader(headers: unknown, name: string): string | undefined {
  if (typeof headers !== "object" || headers === null) return undefined;
  if (typeof (headers as Headers).get === "function") return (headers as Headers).get(name) ?? undefined;
  const pairs = Symbol.iterator in headers ? (headers as Iterable<[string, string]>) : Object.entries(headers);
  for (const [key, value] of pairs) {
    if (key.toLowerCase() === name) return value === undefined || value === null ? undefined : String(value);
  }
  return undefined;
}

/** SDKs whose way of reading a body our tests cover; they say who they are. */
export function isForTestedSdk(input: FetchInput, init: FetchInit): boolean {
  return readHeader(headersOf(input, init), "x-stainless-lang") !== undefined;
}

export function headersOf(input: FetchInput, init: FetchInit): unknown {
  return init?.headers ?? (isRequest(input) ? input.headers : undefined);
}
