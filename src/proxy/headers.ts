/** Of one connection, and not of the message: RFC 9110, section 7.6.1. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Written anew for the upstream as well; `accept-encoding` so that the answer comes as it can be read. */
const REWRITTEN: ReadonlySet<string> = new Set([...HOP_BY_HOP, "host", "expect", "accept-encoding"]);
const OURS = "x-spendfuse-";

/** The headers of a request as the upstream gets them. Our own stay behind. @param also One more that stays behind, in small letters. */
export function requestHeaders(raw: readonly string[], also?: string): [name: string, value: string][] {
  const named = namedByConnection(raw);
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    const lower = name.toLowerCase();
    if (REWRITTEN.has(lower) || lower === also || lower.startsWith(OURS) || named?.has(lower)) continue;
    kept.push([name, raw[at + 1] as string]);
  }
  kept.push(["accept-encoding", "identity"]);
  return kept;
}

/** The headers of an answer as the client gets them, in the form in which `writeHead` takes them. */
export function responseHeaders(headers: Headers): Record<string, string | string[]> {
  const dropped = new Set([...HOP_BY_HOP, ...namesIn(headers.get("connection") ?? "")]);
  // A question of ours for usage, and its answer, may have changed the length.
  if (isEventStream(headers.get("content-type") ?? "")) dropped.add("content-length");
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of headers) if (!dropped.has(name)) kept[name] = value;
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) kept["set-cookie"] = cookies;
  return kept;
}

/** The same of an answer's own lines, each name and value in turn: their order, their case and repeated names stay. */
export function answerLines(raw: readonly string[], contentType: string): string[] {
  const named = namedByConnection(raw);
  const isStream = isEventStream(contentType);
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || (isStream && lower === "content-length") || named?.has(lower)) continue;
    kept.push(name, raw[at + 1] as string);
  }
  return kept;
}

function isEventStream(contentType: string): boolean {
  return contentType.includes("text/event-stream");
}

/** The headers that `Connection` names, in small letters; undefined where it only says what becomes of the connection. */
function namedByConnection(raw: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    if (name.length !== CONNECTION.length || name.toLowerCase() !== CONNECTION) continue;
    const value = raw[at + 1] as string;
    if (/^(?:keep-alive|close)$/i.test(value)) continue;
    named ??= new Set();
    for (const one of namesIn(value)) named.add(one);
  }
  return named;
}

const CONNECTION = "connection";

function namesIn(value: string): string[] {
  return value.split(",").map((name) => name.trim().toLowerCase());
}
