import type { Target } from "./endpoint.ts";

const MAX_LENGTH = 200;

/** What a receiver says about a request that it refused, in one line: text, JSON, or a `google.rpc.Status`. */
export function reasonOf(
  reply: { readonly body: Uint8Array; readonly protobuf: boolean },
  { headers }: Pick<Target, "headers">,
): string {
  const body = Buffer.from(reply.body);
  const text = reply.protobuf ? statusMessage(body) : messageIn(body.toString("utf8"));
  let line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  // A proxy may repeat what it was sent, keys too.
  for (const secret of Object.values(headers)) if (secret.length > 3) line = line.replaceAll(secret, "***");
  const short = line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
  return /temporality/i.test(short)
    ? `${short}; set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative`
    : short;
}

function messageIn(text: string): string {
  if (/^\s*</.test(text)) return "";
  try {
    const { message, error, errors } = JSON.parse(text);
    const found = [message, error?.message, error, errors?.[0]?.detail, errors?.[0]].find(
      (one) => typeof one === "string",
    );
    return found ?? "";
  } catch {
    return text;
  }
}

/** The field `message`, number 2, of a `google.rpc.Status`. */
function statusMessage(body: Buffer): string {
  for (let at = 0; at < body.length; ) {
    const key = body[at] as number;
    const [value, after] = varint(body, at + 1);
    if (key === 0x12) return body.toString("utf8", after, after + value);
    // A varint, or what has its length before it; Status has nothing else.
    if ((key & 7) === 0) at = after;
    else if ((key & 7) === 2) at = after + value;
    else return "";
  }
  return "";
}

function varint(body: Buffer, from: number): readonly [value: number, after: number] {
  let value = 0;
  let at = from;
  for (let shift = 0; at < body.length && shift < 35; shift += 7) {
    const byte = body[at++] as number;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return [value, at];
}
