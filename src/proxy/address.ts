/** The APIs that the proxy passes on, by the segment of the path that names each. */
export const APIS = ["openai", "anthropic", "gemini"] as const;
export type Api = (typeof APIS)[number];

/** Where the requests to each API go: an address without a slash at its end, for OpenAI with `/v1`. */
export type Upstreams = Readonly<Record<Api, string>>;

export const DEFAULT_UPSTREAMS: Upstreams = {
  openai: "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com",
  gemini: "https://generativelanguage.googleapis.com",
};

/** What the path of a request says. */
export interface Address {
  readonly api: Api;
  /** The path at the API, with its query: `/v1/messages?beta=true`; empty for the bare prefix. */
  readonly rest: string;
  /** Of `/token/TOKEN`, for programs that can be given an address but no header. */
  readonly token: string | undefined;
  /** Of `/agent/NAME`. */
  readonly agent: string | undefined;
  /** Of `/child/NUMBER`: which of the programs that this process started. */
  readonly child: string | undefined;
  /** The baggage of `/scope/BASE64URL`: the scope of the process that started the program. */
  readonly baggage: string | undefined;
}

const PATH = new RegExp(
  `^(?:/token/(?<token>[^/]+))?(?:/child/(?<child>\\w{1,20}))?(?:/agent/(?<agent>[^/]+)|/scope/(?<scope>[\\w-]+))?/(?<api>${APIS.join("|")})(?<rest>[/?].*)?$`,
);
/** What some server would resolve or cut off, and so leave the path that we have looked at. */
const AMBIGUOUS = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?:\/|%2f|%5c|$)|[\\#]/i;

/** Reads the target of a request; undefined for one that is not ours. */
export function readAddress(target: string): Address | undefined {
  const groups = PATH.exec(target)?.groups;
  if (groups === undefined || AMBIGUOUS.test(target.replace(/\?.*$/s, "")) || target.includes("#")) return undefined;
  const { token, child, agent, scope, api, rest = "" } = groups;
  const name = agent === undefined ? undefined : decode(agent);
  if (agent !== undefined && !name) return undefined;
  return {
    api: api as Api,
    rest,
    token: token === undefined ? undefined : decode(token),
    agent: name,
    child,
    baggage: scope === undefined ? undefined : Buffer.from(scope, "base64url").toString(),
  };
}

/** Who calls through an address. */
export interface Caller {
  readonly agent?: string | undefined;
  readonly baggage?: string | undefined;
  readonly token?: string | undefined;
  readonly child?: string | undefined;
}

/** The address of an API at the proxy as SDKs take it: OpenAI's with `/v1`, the others' without. */
export function writeAddress(proxy: string, api: Api, { agent, baggage, token, child }: Caller = {}): string {
  const parts = [proxy];
  if (token !== undefined) parts.push("token", encodeURIComponent(token));
  if (child !== undefined) parts.push("child", child);
  if (agent !== undefined) parts.push("agent", encodeURIComponent(agent));
  else if (baggage !== undefined) parts.push("scope", Buffer.from(baggage).toString("base64url"));
  parts.push(api === "openai" ? "openai/v1" : api);
  return parts.join("/");
}

/** Calls of the AI SDK, whose address of Anthropic ends in `/v1`, at one that is written without. */
const WITHOUT_VERSION = /^\/(?:messages|models|complete)\b/;

/** Where the vendors themselves serve subscriptions: ChatGPT's, by its own path instead of `/v1`, and Gemini Code Assist. */
const CHATGPT = "https://chatgpt.com/backend-api/codex";
const CODE_ASSIST = "https://cloudcode-pa.googleapis.com";
/** Codex sends it with the token of a ChatGPT login. */
const CHATGPT_ACCOUNT = "chatgpt-account-id";

/**
 * The URL at the upstream. A path outside OpenAI's `/v1`, such as that of Codex's account usage, begins at its root. A call
 * on a subscription's login goes where its vendor takes it, unless the configuration names another upstream.
 */
export function upstreamUrl(
  { api, rest }: Pick<Address, "api" | "rest">,
  upstreams: Upstreams,
  headers: Readonly<Record<string, unknown>> = {},
): string {
  const base = baseOf(api, rest, upstreams[api], headers);
  if (api === "anthropic" && WITHOUT_VERSION.test(rest)) return `${base}/v1${rest}`;
  if (api !== "openai") return base + rest;
  const below = /^\/v1(?=[/?]|$)/.exec(rest);
  return below === null ? new URL(base).origin + rest : base + rest.slice(below[0].length);
}

function baseOf(api: Api, rest: string, base: string, headers: Readonly<Record<string, unknown>>): string {
  if (base !== DEFAULT_UPSTREAMS[api]) return base;
  if (api === "openai" && headers[CHATGPT_ACCOUNT] !== undefined && /^\/v1(?=[/?]|$)/.test(rest)) return CHATGPT;
  return api === "gemini" && /^\/v1internal[:/]/.test(rest) ? CODE_ASSIST : base;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
