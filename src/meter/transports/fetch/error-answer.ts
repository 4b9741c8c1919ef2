import { parse } from "../../../core/json.ts";

/** An error of a vendor with its body read, and an equivalent response for the caller. */
export interface ErrorRead {
  readonly body: unknown;
  /** With `final`, SDKs do not try again. */
  answer(final: boolean): Response;
}

/** Statuses with which vendors report that a cap of theirs is reached. */
const CAP_STATUSES = new Set([400, 402, 403, 429]);
const MAX_BYTES = 64 * 1024;

export function mayBeCap({ status, headers, body, bodyUsed }: Response): boolean {
  if (!CAP_STATUSES.has(status) || bodyUsed || !(body instanceof ReadableStream)) return false;
  const length = Number(headers.get("content-length") ?? 0);
  return (headers.get("content-type") ?? "").includes("json") && length <= MAX_BYTES;
}

/** Reads the body of an error; a caller who is given such a response reads it at once as well. */
export async function readError(response: Response): Promise<ErrorRead> {
  const { status, statusText, headers, url } = response;
  const bytes = await response.arrayBuffer();
  return {
    body: parse(new TextDecoder().decode(bytes)),
    answer(final) {
      const copied = new Headers(headers);
      // The body was decoded on the way.
      copied.delete("content-encoding");
      copied.delete("content-length");
      if (final) copied.set("x-should-retry", "false");
      const answer = new Response(bytes, { status, statusText, headers: copied });
      Object.defineProperty(answer, "url", { value: url, configurable: true });
      return answer;
    },
  };
}
