import { PassThrough, Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";

/** A way to stop reading a body that has more to come. What it returns is compared with the same run without us. */
export type Cancel = (response: Response, controller: AbortController) => Promise<unknown>;

type Bytes = ReadableStream<Uint8Array>;
const bodyOf = (response: Response): Bytes => response.body as Bytes;
const name = (error: unknown): string => `${(error as Error).name}: ${(error as Error).message}`;

async function readThenCancel(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<unknown> {
  await reader.read();
  return reader.cancel("enough");
}

async function readThenAbort(read: () => Promise<unknown>, controller: AbortController): Promise<unknown> {
  await read();
  controller.abort();
  // Chunks that are there already may still come.
  for (;;) {
    const error = await read().then(() => undefined, name);
    if (error !== undefined) return error;
  }
}

export const CANCELS: Readonly<Record<string, Cancel>> = {
  "reader.cancel": (r) => readThenCancel(bodyOf(r).getReader()),
  "reader.cancel with a read pending": async (r) => {
    const reader = bodyOf(r).getReader();
    const reads = Promise.all(Array.from({ length: 60 }, () => reader.read()));
    await reader.cancel();
    return (await reads).at(-1)?.done;
  },
  "reader.cancel, released at once": async (r) => {
    // As the OpenAI SDK does it.
    const reader = bodyOf(r).getReader();
    await reader.read();
    const canceled = reader.cancel();
    reader.releaseLock();
    return canceled;
  },
  "reader released, then body.cancel": async (r) => {
    const reader = bodyOf(r).getReader();
    await reader.read();
    reader.releaseLock();
    const refused = await reader.cancel().catch(name);
    await bodyOf(r).cancel();
    return refused;
  },
  break: async (r) => {
    for await (const _ of bodyOf(r)) break;
  },
  "break of values()": async (r) => {
    for await (const _ of bodyOf(r).values()) break;
  },
  "throw in the loop": async (r) => {
    const loop = async () => {
      for await (const _ of bodyOf(r)) throw new RangeError("mine");
    };
    return loop().catch(name);
  },
  "break of values({ preventCancel }), then cancel": async (r) => {
    for await (const _ of bodyOf(r).values({ preventCancel: true })) break;
    return bodyOf(r).cancel();
  },
  "body.cancel, never read": (r) => bodyOf(r).cancel(),
  "looked at, then body.cancel": (r) => (bodyOf(r).locked ? Promise.reject() : bodyOf(r).cancel()),
  "tee, both canceled": async (r) => {
    const [a, b] = bodyOf(r).tee();
    const reader = a.getReader();
    await reader.read();
    await Promise.all([reader.cancel(), b.cancel()]);
  },
  "clone, both canceled": async (r) => {
    const copy = r.clone();
    await Promise.all([bodyOf(copy).cancel(), bodyOf(r).cancel()]);
  },
  "pipeTo, aborted": async (r) => {
    const controller = new AbortController();
    const sink = new WritableStream({ write: () => controller.abort() });
    return bodyOf(r).pipeTo(sink, { signal: controller.signal }).catch(name);
  },
  "pipeTo, the sink breaks": async (r) => {
    const sink = new WritableStream({
      write() {
        throw new RangeError("full");
      },
    });
    return bodyOf(r).pipeTo(sink).catch(name);
  },
  "pipeThrough, canceled": (r) => readThenCancel(bodyOf(r).pipeThrough(new TransformStream()).getReader()),
  "Readable.fromWeb, destroyed": async (r) => {
    for await (const _ of Readable.fromWeb(bodyOf(r) as unknown as NodeReadableStream)) break;
  },
  "byob reader, canceled": async (r) => {
    const reader = (r.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader({ mode: "byob" });
    await reader.read(new Uint8Array(10));
    return reader.cancel();
  },
  "new Response(body), canceled": async (r) => {
    const copy = new Response(r.body);
    await bodyOf(copy).cancel();
  },
  "bare reader, canceled": (r) => readThenCancel(new ReadableStreamDefaultReader(bodyOf(r))),
  "abort while it is read": (r, controller) => {
    const reader = bodyOf(r).getReader();
    return readThenAbort(() => reader.read(), controller);
  },
  "abort in the loop": async (r, controller) => {
    const loop = async () => {
      for await (const _ of bodyOf(r)) controller.abort(new RangeError("my reason"));
    };
    return loop().catch(name);
  },
  "abort while text() waits": (r, controller) => {
    const text = r.text().catch(name);
    controller.abort();
    return text;
  },
  "abort while a clone waits": async (r, controller) => {
    const texts = [r.clone(), r].map((copy) => copy.text().catch(name));
    controller.abort();
    return Promise.all(texts);
  },
};

const nodeOf = (response: Response): Readable => response.body as unknown as Readable;
const closed = (stream: Readable): Promise<unknown> =>
  new Promise((resolve) => stream.on("close", () => resolve("closed")));

export const NODE_CANCELS: Readonly<Record<string, Cancel>> = {
  break: async (r) => {
    for await (const _ of nodeOf(r)) break;
  },
  "destroyed, never read": (r) => closed(nodeOf(r).destroy()),
  "destroyed while it is read": (r) => {
    nodeOf(r).on("data", () => nodeOf(r).destroy());
    return closed(nodeOf(r));
  },
  "the sink breaks": async (r) => {
    const sink = new PassThrough();
    const over = closed(nodeOf(r));
    nodeOf(r)
      .pipe(sink)
      .once("data", () => nodeOf(r).destroy());
    return over;
  },
  "abort while text() waits": (r, controller) => {
    const text = r.text().catch(name);
    controller.abort();
    return text;
  },
  "abort in the loop": async (r, controller) => {
    const loop = async () => {
      for await (const _ of nodeOf(r)) controller.abort();
    };
    return loop().catch(name);
  },
};
