import { type Json, object, parse } from "../../core/json.ts";
import { NO_TAGS } from "../../core/tags/tags.ts";
import type { PricedAddress } from "./charges/priced.ts";
import type { DeltaShapes } from "./delta-template.ts";
import { createRouter, type FindRoute, hintOf, type Route } from "./endpoints.ts";
import type { RequestFacts, WireFormat } from "./formats/format.ts";
import { FRAMINGS, type Framing } from "./framings.ts";
import { createGatewayMemory, type HostGateway } from "./gateways/host-gateway.ts";
import type { Host, HostLookup } from "./hosts.ts";
import { isLocalHost } from "./local-host.ts";
import { sampleText } from "./text.ts";

/** A request to a model API, recognised by its path, then its host; or to another API that has a price. */
export interface Target {
  readonly format: WireFormat;
  /** The facts of every request, where no body has to be read for them; undefined where one has. */
  readonly facts: RequestFacts | undefined;
  /** Reads the facts of a body. Only of a paid API that is no model; others are read by their format. */
  readonly readFacts?: (text: string) => RequestFacts | undefined;
  /** Only of such an API. */
  readonly priced?: PricedAddress;
  /** What it is where its body is of no model call: a path such as `/messages` is of other APIs too. */
  readonly otherwise?: Target;
  readonly route: Route;
  readonly framing: Framing;
  readonly host: Host | undefined;
  /** The vendor by its OpenTelemetry name. */
  readonly provider: string;
  /** `regional` where the call is processed in a region that its vendor may charge more for. */
  readonly geo: string | undefined;
  /** A server of the user's own: no cloud's prices are for it. */
  readonly local: boolean;
  /** Host with port. */
  readonly address: string;
  readonly path: string;
  readonly method: string;
  /** What was learned of the streams of this API. */
  readonly shapes: DeltaShapes;
  /** What answers of the host have shown; the same object for all its addresses. */
  readonly gateway: HostGateway;
  /** Whether a stream that lacks usage may be asked for it; undefined: where the host's gateway takes the question. */
  readonly asksUsage: boolean | undefined;
  /** Whether a tokenizer is to count the text of requests. */
  readonly samples: boolean;
  /** The name of the API key among a request's headers. */
  readonly keyOf: KeyReader;
  /** The names of the tags that headers may set. */
  readonly tags: readonly string[];
}

/** Finds the API key among headers in any form, and turns it into its alias or a short hash. */
export type KeyReader = (headers: unknown) => string | undefined;

/** The configuration of requests; the same object until it changes. */
export interface TargetSettings {
  readonly lookup: HostLookup;
  /** Whether usage is requested for streams that lack it, where the host is known to support that. */
  readonly askUsage: boolean;
  /** Whether a tokenizer is to count the text of requests. */
  readonly samples?: boolean;
  /** Host with port of the proxy of ours that this process was started behind, which meters what is sent to it. */
  readonly proxy?: string | undefined;
  readonly keyOf: KeyReader;
  readonly tags?: readonly string[];
}

export interface Classifier {
  /** Whether an address may be of a model call: true for each that is, and few others. The only check that others cost. */
  maybe(address: string): boolean;
  /**
   * The model API that a request is for, whose address passes `maybe`. `method` in upper case; `settings` are the current
   * ones, for a caller that has them.
   */
  find(method: string, address: string, settings?: TargetSettings): Target | undefined;
}

export function createClassifier(formats: readonly WireFormat[], current: () => TargetSettings): Classifier {
  // Made with the first request: an app that sends none does not wait for them at its start.
  let findRoute: FindRoute<WireFormat> | undefined;
  let hint: RegExp | undefined;
  const findGateway = createGatewayMemory();
  /** By the address of POST requests, which nearly all are, and by method and address of others. */
  let known = new Map<string, Target | undefined>();
  let knownBy: TargetSettings | undefined;

  function findKnown(method: string, address: string, settings = current()): Target | undefined {
    if (settings !== knownBy || known.size >= MAX_KNOWN) known = new Map();
    knownBy = settings;
    const key = method === "POST" ? address : `${method} ${address}`;
    let target = known.get(key);
    if (target === undefined && !known.has(key)) {
      target = find(method, address, settings);
      known.set(key, target);
    }
    return target;
  }

  function maybe(address: string): boolean {
    hint ??= hintOf(formats);
    return hint.test(address);
  }

  return { maybe, find: findKnown };

  function find(method: string, address: string, settings: TargetSettings): Target | undefined {
    const url = URL.parse(address);
    if (url === null || url.host === settings.proxy) return undefined;
    const path = withoutSlashes(url.pathname);
    findRoute ??= createRouter(formats);
    const found = findRoute(method, path);
    if (found === undefined) return undefined;
    const { format, route } = found;
    const host = settings.lookup(url.host);
    return {
      format,
      facts: method === "GET" ? RETRIEVAL : undefined,
      route,
      framing: FRAMINGS[route.endpoint.framing ?? "sse"],
      host,
      provider: providerOf(host, format),
      geo: geoOf(host, path),
      local: host === undefined && isLocalHost(url.hostname),
      // Copied, because exporters read a slice of the address slowly: see `nameOf` in `tracing/call-span.ts`.
      address: Buffer.from(url.host).toString(),
      path,
      method,
      shapes: new Map(),
      gateway: findGateway(url.host, host),
      asksUsage: settings.askUsage ? host?.asksUsage : false,
      samples: settings.samples === true,
      keyOf: settings.keyOf,
      tags: settings.tags ?? NO_TAGS,
    };
  }
}

/** Whether a stream that lacks usage may be asked for it. */
export function mayAskUsage({ asksUsage, gateway }: Target): boolean {
  return asksUsage ?? gateway.gateway?.takesQuestion === true;
}

/** A path without the slashes at its end; not by an expression, which takes quadratic time for many slashes. */
export function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end -= 1;
  return path.slice(0, end);
}

/** A gateway that is like OpenAI may speak other vendors' formats as well, which OpenAI does not. */
function providerOf(host: Host | undefined, format: WireFormat): string {
  if (host === undefined || (host.provider === "openai" && format.provider !== "openai")) return format.provider;
  return host.provider;
}

/** The location in Vertex AI's path tells more than the host, which some models share. */
function geoOf(host: Host | undefined, path: string): string | undefined {
  if (host?.provider !== "gcp.vertex_ai") return host?.geo;
  const location = /\/locations\/([^/]+)\//.exec(path)?.[1];
  if (location === undefined) return host.geo;
  return location === "global" ? undefined : "regional";
}

/** Maximum addresses kept; some contain ids. */
const MAX_KNOWN = 500;

/** The facts of a retrieval, which has no body. */
const RETRIEVAL: RequestFacts = {
  model: undefined,
  stream: false,
  inputBytes: undefined,
  attachments: undefined,
  retrieval: true,
};

/** The facts of a request's body; undefined when it is not of the format. */
export function factsOf(target: Target, text: string): RequestFacts | undefined {
  if (target.readFacts !== undefined) return target.readFacts(text);
  const body = object(parse(text));
  const facts = body && target.format.readRequest(body, target.route);
  if (facts === undefined && target.otherwise !== undefined) return factsOf(target.otherwise, text);
  return facts !== undefined && target.samples ? { ...facts, sample: () => sampleText(body as Json) } : facts;
}

/** What is put before the last brace of a body without stream options. */
export const USAGE_QUESTION: string = ',"stream_options":{"include_usage":true}';

/** Puts `stream_options.include_usage` into a body; every other byte of it stays as it was, where that is possible. */
export function askForUsage(body: string, hasStreamOptions: boolean): string | undefined {
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
  return brace < 0 ? undefined : `${body.slice(0, brace)}${USAGE_QUESTION}${body.slice(brace)}`;
}

/** The same for a body of UTF-8. */
export function askForUsageInBytes(body: Uint8Array, hasStreamOptions: boolean): Uint8Array<ArrayBuffer> | undefined {
  if (hasStreamOptions) {
    const asking = askForUsage(new TextDecoder().decode(body), true);
    return asking === undefined ? undefined : Buffer.from(asking);
  }
  const brace = body.lastIndexOf(BRACE);
  if (brace < 0) return undefined;
  return Buffer.concat([body.subarray(0, brace), Buffer.from(USAGE_QUESTION), body.subarray(brace)]);
}

const BRACE = 125;

/** Its key and brace. In a string every quote has a backslash before it, so that only keys match. */
const STREAM_OPTIONS = /(?<=[{,]\s*)"stream_options"\s*:\s*\{/g;
