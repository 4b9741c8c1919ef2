import type * as Web from "node:stream/web";
import { lazy } from "../../../core/values/lazy.ts";

/**
 * The methods of Node's own streams and readers, whatever class has their global names by then. Taken at the first
 * answer: Node loads its streams when they are first asked for, which takes milliseconds of an app's start.
 */
export const nativeStreams = lazy(() => {
  const { ReadableStream, ReadableStreamDefaultReader } = webStreams();
  const { getReader, values, cancel } = ReadableStream.prototype;
  const { read, releaseLock } = ReadableStreamDefaultReader.prototype;
  return { getReader, values, cancel, read, releaseLock };
});

export function webStreams(): typeof Web {
  return process.getBuiltinModule("node:stream/web");
}
