import { SpendfuseError } from "../../core/errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** How long a request may take. */
export const TIMEOUT_MS = 30_000;
/** Stands for the status of a host that does not answer. */
export const UNREACHABLE = 599;
const MAX_TEXT = 120;

/** A request that Datadog refused, or that nothing answered: its status is then {@link UNREACHABLE}. */
export class ApiRefusal extends SpendfuseError {
  readonly status: number;

  constructor(status: number, body: unknown) {
    super("SPENDFUSE_DATADOG", messageOf(status, body), { status });
    this.name = "ApiRefusal";
    this.status = status;
  }
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|ERR_TLS|ERR_SSL|EPROTO/;

/** Why no answer came from a host, and what to check. */
export function whyUnreachable(host: string, error: Error, env: Env): string {
  const { code, message } = ((error as { cause?: unknown }).cause ?? error) as { code?: string; message?: string };
  const why = code ?? (error.name === "TimeoutError" ? "ETIMEDOUT" : message);
  const said = `no answer from ${host}: ${why}`;
  if (why === "ENOTFOUND" || why === "EAI_AGAIN")
    return `${said}, the name has no address in DNS here: check DD_SITE and the network${proxyHint(env)}`;
  if (CERTIFICATE.test(String(why)))
    return `${said}, TLS failed: a proxy may answer with a certificate of its own, whose authority NODE_EXTRA_CA_CERTS can name`;
  if (why === "ECONNREFUSED") return `${said}, nothing listens there: check DD_SITE${proxyHint(env)}`;
  if (/TIMEDOUT|TIMEOUT/.test(String(why)))
    return `${said}, within ${TIMEOUT_MS / 1_000} s: check the firewall${proxyHint(env)}`;
  return `${said}: check the network${proxyHint(env)}`;
}

/** Node's fetch heeds the variables of a proxy only when told to. */
function proxyHint(env: Env): string {
  const proxy = env.HTTPS_PROXY ?? env.https_proxy ?? env.HTTP_PROXY ?? env.http_proxy;
  if (!proxy) return "";
  const host = URL.parse(proxy)?.host ?? "that is set";
  return env.NODE_USE_ENV_PROXY === "1"
    ? `; the proxy ${host} was used`
    : `; the proxy ${host} is not used unless NODE_USE_ENV_PROXY=1 is set`;
}

/** A request that Datadog rejected. `status` is absent when it was never sent. */
export interface Refusal {
  readonly status: number | undefined;
  readonly message: string;
}

const UNSAID = "no reason given";
const HINTS: Readonly<Record<number, string>> = {
  401: "check that DD_API_KEY and DD_APP_KEY are keys of this organization, and that DD_SITE is their site",
  403: "check that DD_API_KEY and DD_APP_KEY are valid, that the application key may write monitors, dashboards and integrations, and that DD_SITE is their site",
  407: "a proxy asks for a name and a password: set them in the address of HTTPS_PROXY",
  429: "the rate limit of the organization is reached: run it again later",
};

/** What a rejected request says: one of ours, or of Datadog's own client, whose errors are `{ code, body }`. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof ApiRefusal) return { status: error.status, message: error.message };
  const { code, body } = error as { code?: unknown; body?: unknown };
  if (typeof code === "number") return { status: code, message: messageOf(code, body) };
  return { status: undefined, message: error instanceof Error ? error.message : String(error) };
}

function messageOf(status: number, body: unknown): string {
  const reason = reasonOf(body);
  if (status === UNREACHABLE) return reason;
  const hint = HINTS[status] ?? otherHint(status, reason);
  return `${status} ${reason}${hint === undefined ? "" : `: ${hint}`}`;
}

/** Where Datadog says what is wrong with a request, nothing is added. */
function otherHint(status: number, reason: string): string | undefined {
  if (status >= 500) return "a fault of Datadog's: run it again later";
  return status === 404 || reason === UNSAID ? "check that DD_SITE is the site of this organization" : undefined;
}

/** The errors of an answer: a list of texts, of JSON:API's objects, one text, or a page that is not Datadog's. */
function reasonOf(body: unknown): string {
  if (typeof body === "string") return textReason(body);
  const { errors, error, message } = (body ?? {}) as { errors?: unknown; error?: unknown; message?: unknown };
  const list = Array.isArray(errors) ? errors : [errors ?? error ?? message];
  const texts = list.map(errorText).filter((text) => text !== "");
  return texts.length > 0 ? texts.join("; ") : UNSAID;
}

function errorText(error: unknown): string {
  if (typeof error === "string") return error.trim();
  if (Array.isArray(error)) return error.map(errorText).filter(Boolean).join("; ");
  if (typeof error !== "object" || error === null) return "";
  const { title, detail, code, message, source } = error as Readonly<Record<string, unknown>>;
  if (title === undefined && detail === undefined && message === undefined && code === undefined)
    return JSON.stringify(error);
  const { pointer, parameter } = (source ?? {}) as { pointer?: unknown; parameter?: unknown };
  const what = [title ?? code, detail ?? message].filter(Boolean).map(String).join(": ");
  const place = pointer ?? parameter;
  return place === undefined ? what : `${what} (${place})`;
}

function textReason(text: string): string {
  const plain = text
    .replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  const short = plain.length > MAX_TEXT ? `${plain.slice(0, MAX_TEXT)}…` : plain;
  if (!/^\s*</.test(text)) return short === "" ? "no reason given" : short;
  return `a web page instead of JSON${short === "" ? "" : ` (${short})`}, perhaps of a proxy`;
}

/** What is wrong with a successful answer that is no JSON. */
export function notDatadog(host: string, text: string): string {
  return `${host} answers with ${/^\s*</.test(text) ? textReason(text) : `text: ${textReason(text)}`}`;
}
