import { PassThrough, Readable } from "node:stream";
import * as consumers from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { inspect } from "node:util";

/** A way of reading a whole body. What it returns is compared with the same run without us. */
export type Way = (response: Response, echo: (body: BodyInit) => Promise<string>) => Promise<string>;

type Bytes = ReadableStream<Uint8Array>;
const bodyOf = (response: Response): Bytes => response.body as Bytes;

async function gather(source: AsyncIterable<Uint8Array | string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString("latin1");
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks).toString("latin1");
    chunks.push(value);
  }
}

const latin1 = (bytes: ArrayBuffer | Uint8Array): string => Buffer.from(bytes as Uint8Array).toString("latin1");
const both = async (...parts: Promise<string>[]): Promise<string> => (await Promise.all(parts)).join(" | ");
const fromWeb = (stream: Bytes): Readable => Readable.fromWeb(stream as unknown as NodeReadableStream);
/** An error is a result like any other. */
const attempt = (run: () => Promise<string>): Promise<string> =>
  run().catch((error: Error) => `${error.name}: ${error.message}`);

/** What Node 26 adds; the types do not know it yet. */
type WithTextStream = Response & { textStream?(): ReadableStream<string> };

async function textStreamed(response: WithTextStream): Promise<string> {
  if (response.textStream === undefined) return "there is no textStream";
  let text = "";
  for await (const part of response.textStream()) text += part;
  return text;
}

export const WAYS: Readonly<Record<string, Way>> = {
  text: (r) => r.text(),
  json: async (r) => JSON.stringify(await r.json()),
  bytes: async (r) => latin1(await r.bytes()),
  arrayBuffer: async (r) => latin1(await r.arrayBuffer()),
  blob: async (r) => {
    const blob = await r.blob();
    return `${blob.type} ${await blob.text()}`;
  },
  formData: async (r) => [...(await r.formData()).keys()].join(),
  textStream: (r) => textStreamed(r),
  "textStream, then text": async (r) => `${await textStreamed(r)} | ${await attempt(() => r.text())}`,
  "text twice at once": (r) =>
    both(
      attempt(() => r.text()),
      attempt(() => r.text()),
    ),
  reader: (r) => drain(bodyOf(r).getReader()),
  "reader by turns": async (r) => {
    const first = bodyOf(r).getReader();
    const { value } = await first.read();
    first.releaseLock();
    return latin1(value as Uint8Array) + (await drain(bodyOf(r).getReader()));
  },
  "class of chunks": async (r) => {
    const classes = new Set<string>();
    for await (const chunk of bodyOf(r)) classes.add(chunk.constructor.name);
    return [...classes].join();
  },
  "chunks overwritten by their reader": async (r) => {
    let text = "";
    for await (const chunk of bodyOf(r)) {
      text += latin1(chunk);
      // Only memory of the reader's own: the custom fetch uses its buffer again.
      if (!Buffer.isBuffer(chunk)) chunk.fill(0);
    }
    return text;
  },
  "many reads at once": async (r) => {
    const reader = bodyOf(r).getReader();
    const results = await Promise.all(Array.from({ length: 80 }, () => reader.read()));
    return results.map(({ value }) => (value ? latin1(value) : "")).join("") + (await drain(reader));
  },
  "reader and closed": async (r) => {
    const reader = bodyOf(r).getReader();
    const text = await drain(reader);
    await reader.closed;
    return text;
  },
  "async iteration": (r) => gather(bodyOf(r)),
  "values()": (r) => gather(bodyOf(r).values()),
  "values({ preventCancel }) by turns": async (r) => {
    let text = "";
    for await (const chunk of bodyOf(r).values({ preventCancel: true })) {
      text = latin1(chunk);
      break;
    }
    return text + (await gather(bodyOf(r).values({ preventCancel: true })));
  },
  "iterator by hand": async (r) => {
    const iterator = bodyOf(r)[Symbol.asyncIterator]();
    let text = "";
    for (let step = await iterator.next(); !step.done; step = await iterator.next()) text += latin1(step.value);
    return text;
  },
  clone: (r) => {
    const copy = r.clone();
    return both(r.text(), copy.text(), Promise.resolve(`${copy.url} ${copy.redirected} ${copy.type} ${copy.status}`));
  },
  "clone, one after the other": async (r) => {
    const copy = r.clone();
    const text = await r.text();
    return `${text} | ${await copy.text()}`;
  },
  "clone, read, and cloned again": async (r) => {
    const text = await r.clone().text();
    const again = r.clone();
    return both(r.text(), again.text(), Promise.resolve(text));
  },
  "clone of clone": (r) => {
    const copy = r.clone();
    const third = copy.clone();
    return both(r.text(), copy.text(), third.text(), Promise.resolve(`${third.url} ${third.type}`));
  },
  "clone, the other one canceled": async (r) => {
    const copy = r.clone();
    const canceled = bodyOf(r).cancel();
    const text = await copy.text();
    await canceled;
    return text;
  },
  tee: (r) => {
    const [a, b] = bodyOf(r).tee();
    return both(gather(a), gather(b));
  },
  "tee of tee": (r) => {
    const [a, b] = bodyOf(r).tee();
    const [c, d] = b.tee();
    return both(gather(a), gather(c), gather(d));
  },
  pipeThrough: async (r) => {
    let text = "";
    for await (const part of bodyOf(r).pipeThrough(new TextDecoderStream() as never) as never as AsyncIterable<string>)
      text += part;
    return text;
  },
  pipeTo: async (r) => {
    const chunks: Uint8Array[] = [];
    await bodyOf(r).pipeTo(new WritableStream({ write: (chunk) => void chunks.push(chunk) }));
    return Buffer.concat(chunks).toString("latin1");
  },
  "new Response(body)": (r) => new Response(r.body).text(),
  "new Response(body, response)": async (r) => {
    const copy = new Response(r.body, r);
    return `${copy.status} ${copy.headers.get("content-type")} ${await gather(bodyOf(copy))}`;
  },
  "new Response(body), cloned": (r) => {
    const copy = new Response(r.body);
    return both(copy.clone().text(), copy.text());
  },
  "Readable.fromWeb": (r) => gather(fromWeb(bodyOf(r))),
  "Readable.fromWeb, piped": async (r) => {
    const sink = new PassThrough();
    const text = gather(sink);
    await pipeline(fromWeb(bodyOf(r)), sink);
    return text;
  },
  "ReadableStream.from(body)": (r) =>
    gather((ReadableStream as unknown as { from(source: unknown): Bytes }).from(bodyOf(r))),
  "stream/consumers": (r) => consumers.text(bodyOf(r) as unknown as NodeReadableStream),
  "bare default reader": (r) => drain(new ReadableStreamDefaultReader(bodyOf(r))),
  "byob reader": async (r) => {
    const reader = (bodyOf(r) as ReadableStream<Uint8Array<ArrayBuffer>>).getReader({ mode: "byob" });
    let text = "";
    for (let view = new Uint8Array(64); ; ) {
      const { done, value } = await reader.read(view);
      if (value) text += latin1(value);
      if (done) return text;
      view = new Uint8Array(value.buffer as ArrayBuffer);
    }
  },
  "bare byob reader": async (r) => {
    const reader = new ReadableStreamBYOBReader(bodyOf(r) as ReadableStream<Uint8Array<ArrayBuffer>>);
    let text = "";
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(200));
      if (value) text += latin1(value);
      if (done) return text;
    }
  },
  "posted on": (r, echo) => echo(bodyOf(r)),
  "new Request(body)": (r) =>
    new Request("http://127.0.0.1/", { method: "POST", body: bodyOf(r), duplex: "half" } as RequestInit).text(),
  transfer: (r) => gather(structuredClone(bodyOf(r), { transfer: [bodyOf(r) as never] })),
  "looked at, then text": async (r) => `${r.body !== null} ${r.bodyUsed} ${bodyOf(r).locked} ${await r.text()}`,
  "inspected, then text": async (r) => `${inspect(r, { depth: 4 })} ${await r.text()}`,
  "looked at, then clone": (r) => {
    const { body } = r;
    const copy = r.clone();
    return both(r.text(), copy.text(), Promise.resolve(`${body?.locked} ${copy.url} ${copy.type}`));
  },
};

const nodeOf = (response: Response): Readable => response.body as unknown as Readable;

/** The same for bodies that are Node streams. */
export const NODE_WAYS: Readonly<Record<string, Way>> = {
  ...Object.fromEntries(
    ["text", "json", "arrayBuffer", "blob", "text twice at once", "clone", "clone of clone"].map((name) => [
      name,
      WAYS[name] as Way,
    ]),
  ),
  "async iteration": (r) => gather(nodeOf(r)),
  "data events": (r) =>
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      nodeOf(r).on("data", (chunk: Buffer) => chunks.push(chunk));
      nodeOf(r).on("end", () => resolve(Buffer.concat(chunks).toString("latin1")));
      nodeOf(r).on("error", reject);
    }),
  "readable events": (r) =>
    new Promise((resolve, reject) => {
      let text = "";
      nodeOf(r).on("readable", () => {
        for (let chunk = nodeOf(r).read(50) ?? nodeOf(r).read(); chunk !== null; chunk = nodeOf(r).read())
          text += chunk.toString("latin1");
      });
      nodeOf(r).on("end", () => resolve(text));
      nodeOf(r).on("error", reject);
    }),
  "as text": async (r) => {
    let text = "";
    for await (const part of nodeOf(r).setEncoding("utf8")) text += part;
    return text;
  },
  pipe: (r) => gather(nodeOf(r).pipe(new PassThrough())),
  pipeline: async (r) => {
    const sink = new PassThrough();
    const text = gather(sink);
    await pipeline(nodeOf(r), sink);
    return text;
  },
  "Readable.toWeb": (r) => gather(Readable.toWeb(nodeOf(r)) as unknown as Bytes),
  "stream/consumers": (r) => consumers.text(nodeOf(r)),
  "read later": async (r) => {
    await new Promise((resolve) => setImmediate(resolve));
    return gather(nodeOf(r));
  },
};
