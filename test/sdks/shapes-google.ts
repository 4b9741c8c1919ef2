import { GoogleGenAI } from "@google/genai";
import { googleStream, googleWhole } from "./bodies-others.ts";
import { each, type Shape, type Site } from "./shape.ts";

const contents = "What is the largest city of Mexico?";

function client({ url, key, timeout, retries }: Site): GoogleGenAI {
  const given = timeout === undefined ? {} : { timeout };
  const retryOptions = { attempts: retries + 1, initialDelay: 0.001, maxDelay: 0.001, jitter: 0 };
  return new GoogleGenAI({
    apiKey: key,
    httpOptions: { baseUrl: url, ...given, ...(retries > 0 && { retryOptions }) },
  });
}

export const googleShapes: readonly Shape[] = [
  {
    kind: "stream",
    name: "google generateContentStream",
    host: "google",
    breakLingers: "collected",
    body: googleStream,
    open: (site) =>
      client(site).models.generateContentStream({
        model: "gemini-3-flash-preview",
        contents,
        config: { abortSignal: site.signal },
      }),
    read: async (handle: Promise<AsyncIterable<unknown>>, watch) => each(await handle, watch),
  },
  {
    kind: "whole",
    name: "google generateContent",
    host: "google",
    body: googleWhole,
    open: (site) =>
      client(site).models.generateContent({
        model: "gemini-2.5-flash",
        contents,
        config: { abortSignal: site.signal },
      }),
    read: async (handle: Promise<unknown>) => handle,
  },
];
