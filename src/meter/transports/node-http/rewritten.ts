import type { WrittenChange } from "../bodies/carrier.ts";
import { linesOf, type Outgoing } from "./head.ts";

/**
 * Puts another body, and another path, in place of all that is queued of a request whose caller has ended it. Nothing that
 * the caller can look up changes. False where the queue is not as expected: then nothing was changed.
 */
export function rewriteAll(message: Outgoing, { body, path }: WrittenChange): boolean {
  const head = message._header;
  const [first] = message.outputData;
  if (head === null || !message.finished) return false;
  if (typeof first?.data !== "string" || !first.data.startsWith(head)) return false;
  const sized = linesOf(head).some(([name]) => name.toLowerCase() === "content-length");
  if (sized === message.chunkedEncoding) return false;
  const rewritten = headOf(head, path, body.length);
  const callbacks = message.outputData.flatMap(({ callback }) => (typeof callback === "function" ? [callback] : []));
  const data = Buffer.concat([
    Buffer.from(rewritten, "latin1"),
    ...(message.chunkedEncoding ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, LAST_CHUNK] : [body]),
  ]);
  message._header = rewritten;
  message.outputData = [{ data, encoding: null, callback: (error) => callbacks.forEach((one) => void one(error)) }];
  message.outputSize = data.length;
  return true;
}

const LAST_CHUNK = Buffer.from("\r\n0\r\n\r\n");

function headOf(head: string, path: string, length: number): string {
  const [start = "", ...lines] = head.split("\r\n");
  const [method, , version] = start.split(" ");
  const kept = lines.map((line) => line.replace(/^(content-length:\s*)\d+\s*$/i, `$1${length}`));
  return [`${method} ${path} ${version}`, ...kept].join("\r\n");
}
