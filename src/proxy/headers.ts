/** Names and values, in the order in which they were sent. */
export type Pairs = readonly (readonly [name: string, value: string])[];

/** Of one connection, and not of the message: RFC 9110, section 7.6.1. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
/** Written anew for the upstream; `accept-encoding` so that the answer comes as it can be read. */
const REWRITTEN = ["host", "expect", "accept-encoding"];
const OURS = "x-spendfuse-";

/** The headers of a request as the upstream gets them. Our own stay behind. */
export function requestHeaders(raw: readonly string[]): Pairs {
  const dropped = new Set([...HOP_BY_HOP, ...REWRITTEN]);
  const pairs = pairsOf(raw);
  for (const name of namedByConnection(pairs)) dropped.add(name);
  const kept = pairs.filter(([name]) => {
    const lower = name.toLowerCase();
    return !dropped.has(lower) && !lower.startsWith(OURS);
  });
  return [...kept, ["accept-encoding", "identity"]];
}

/** The headers of an answer as the client gets them, in the form in which `writeHead` takes them. */
export function responseHeaders(headers: Headers): Record<string, string | string[]> {
  const dropped = new Set(HOP_BY_HOP);
  for (const name of namedByConnection([...headers])) dropped.add(name);
  // A question of ours for usage, and its answer, may have changed the length.
  if ((headers.get("content-type") ?? "").includes("text/event-stream")) dropped.add("content-length");
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of headers) if (!dropped.has(name)) kept[name] = value;
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) kept["set-cookie"] = cookies;
  return kept;
}

/** The same of an answer's own lines, each name and value in turn: their order, their case and repeated names stay. */
export function answerLines(raw: readonly string[]): string[] {
  const pairs = pairsOf(raw);
  const dropped = new Set(HOP_BY_HOP);
  for (const name of namedByConnection(pairs)) dropped.add(name);
  if (pairs.some(([name, value]) => name.toLowerCase() === "content-type" && value.includes("text/event-stream"))) {
    dropped.add("content-length");
  }
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase())).flat();
}

function pairsOf(raw: readonly string[]): Pairs {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] as string, raw[at + 1] as string]);
  return pairs;
}

function namedByConnection(pairs: Pairs): readonly string[] {
  return pairs
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.toLowerCase().split(","))
    .map((name) => name.trim());
}
