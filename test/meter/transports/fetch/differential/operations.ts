import { Readable } from "node:stream";
import { inspect } from "node:util";

/** What an operation has to work with; the same without us, but for `fetch`. */
export interface Stage {
  readonly fetch: typeof globalThis.fetch;
  /** A model call's address. */
  readonly url: string;
  /** A fresh model call. */
  init(): RequestInit & { headers: Record<string, string>; body: string };
  /** The response to it. */
  response(): Promise<Response>;
  /** A response that breaks off in the middle of its body. */
  broken(): Promise<Response>;
}

/** Does one thing, and returns all that its caller can see of it. What it throws is compared as well. */
export type Operation = (stage: Stage) => unknown;

type Bytes = ReadableStream<Uint8Array>;
/** By hand, with its `return`. */
const iteratorOf = (response: Response): Required<AsyncIterator<Uint8Array>> =>
  (response.body as Bytes).values() as unknown as Required<AsyncIterator<Uint8Array>>;
type Loose = Record<PropertyKey, unknown>;
const bodyOf = (response: Response): Bytes => response.body as Bytes;
const loose = (value: unknown): Loose => value as Loose;

/** An error as its catcher sees it. */
export function seen(error: unknown): unknown {
  if (!(error instanceof Error)) return { thrown: error };
  const { name, message, cause } = error;
  const { code } = cause instanceof Error ? (cause as { code?: string }) : {};
  return { class: error.constructor.name, name, message: message.replaceAll(/:\d{4,5}/g, ":PORT"), code };
}

const attempt = async (run: () => unknown): Promise<unknown> => {
  try {
    return await run();
  } catch (error) {
    return seen(error);
  }
};

/** Whether it throws at once or rejects later, and what. */
async function when(run: () => unknown): Promise<unknown> {
  let result: unknown;
  try {
    result = run();
  } catch (error) {
    return { at: "once", ...(seen(error) as object) };
  }
  return attempt(async () => {
    const value = await (result as Promise<unknown>);
    return value instanceof Response ? `response ${value.status} ${await value.text()}` : value;
  });
}

function shapeOf(value: object): unknown {
  return Reflect.ownKeys(value).map((key) => {
    const { value: held, get, set, ...flags } = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
    const f = held ?? get;
    const shown = typeof f === "function" ? { name: f.name, length: f.length, constructs: constructs(f) } : typeof held;
    return [String(key), flags, get !== undefined, set !== undefined, shown];
  });
}

/** The properties that an object has from its prototypes, wherever they are. */
function inherited(value: object, names: readonly PropertyKey[]): unknown {
  const enumerated: string[] = [];
  for (const name in value) enumerated.push(name);
  const found = names.map((name) => {
    let at: object | null = value;
    while (at !== null && !Object.hasOwn(at, name)) at = Object.getPrototypeOf(at) as object | null;
    return (
      at && shapeOf(Object.defineProperty({}, name, Object.getOwnPropertyDescriptor(at, name) as PropertyDescriptor))
    );
  });
  return [enumerated, found];
}

const STREAM = [
  "locked",
  "cancel",
  "getReader",
  "pipeThrough",
  "pipeTo",
  "tee",
  "values",
  Symbol.asyncIterator,
] as const;

function constructs(f: object): boolean {
  try {
    Reflect.construct(Object, [], f as never);
    return true;
  } catch {
    return false;
  }
}

/** What an iterator is told to return. */
const SEVEN = 7 as never;

const READS = ["text", "json", "arrayBuffer", "bytes", "blob", "formData", "clone", "textStream"] as const;
const GETTERS = ["body", "bodyUsed", "headers", "ok", "redirected", "status", "statusText", "type", "url"] as const;

/** Whether the stack of what is thrown names the caller. */
async function stackOf(run: () => Promise<unknown>): Promise<unknown> {
  try {
    await run();
    return "no error";
  } catch (error) {
    const { stack = "" } = error as Error;
    return /\bcaller \(/.test(stack);
  }
}

/** What a response is, apart from its body's content. */
const RESPONSE: Record<string, Operation> = {
  "own properties": async ({ response }) => shapeOf(await response()),
  "what it inherits": async ({ response }) => inherited(await response(), [...READS, ...GETTERS]),
  "for in": async ({ response }) => {
    const names: string[] = [];
    for (const name in await response()) names.push(name);
    return names;
  },
  "as JSON, text and tag": async ({ response }) => {
    const r = await response();
    return [JSON.stringify(r), String(r), Object.prototype.toString.call(r), r.constructor.name];
  },
  inspected: async ({ response }) => inspect(await response(), { depth: 0 }).replaceAll(/:\d{4,5}/g, ":PORT"),
  spread: async ({ response }) => Object.keys({ ...(await response()) }),
  structuredClone: async ({ response }) => {
    const r = await response();
    return attempt(() => typeof structuredClone(r));
  },
  "getters called as such": async ({ response }) => {
    const r = await response();
    return GETTERS.map((name) => typeof Reflect.get(Response.prototype, name, r));
  },
  "getters on what is no response": async () =>
    Promise.all(
      [{}, 5, null].flatMap((no) =>
        GETTERS.map((name) => attempt(() => Reflect.get(Response.prototype, name, no as never))),
      ),
    ),
  "methods on what is no response": async () =>
    Promise.all(
      [{}, 5, undefined].flatMap((no) =>
        READS.map((name) =>
          when(() => loose(Response.prototype)[name] && (loose(Response.prototype)[name] as () => unknown).call(no)),
        ),
      ),
    ),
  "methods as constructors": async ({ response }) => {
    const r = await response();
    return Promise.all(READS.map((name) => constructs(loose(r)[name] as object)));
  },
  "set a getter": async ({ response }) => {
    const r = await response();
    return Promise.all(GETTERS.map((name) => attempt(() => Object.assign(r, { [name]: 1 }) === r)));
  },
  "deleted and frozen": async ({ response }) => {
    const r = await response();
    const gone = READS.map((name) => Reflect.deleteProperty(r, name));
    Object.freeze(r);
    return [gone, Object.isFrozen(r), await r.text(), r.bodyUsed];
  },
  "read through a proxy": async ({ response }) => {
    const r = await response();
    const proxy = new Proxy(r, {
      get: (target, name) =>
        typeof loose(target)[name] === "function"
          ? (loose(target)[name] as () => unknown).bind(target)
          : loose(target)[name],
    });
    return [proxy.status, proxy.bodyUsed, await proxy.text(), proxy.bodyUsed];
  },
  "read through a bare proxy": async ({ response }) => {
    const proxy = new Proxy(await response(), {});
    return attempt(() => proxy.text());
  },
  "an object made of it": async ({ response }) => {
    const made = Object.create(await response()) as Response;
    return Promise.all([attempt(() => made.status), attempt(() => made.text()), attempt(() => typeof made.body)]);
  },
  "headers changed": async ({ response }) => {
    const r = await response();
    return Promise.all([
      attempt(() => r.headers.set("a", "1")),
      attempt(() => Object.is(r.headers, r.headers)),
      attempt(() => [...r.headers.keys()]),
    ]);
  },
  "new Response(body, response)": async ({ response }) => {
    const r = await response();
    const copy = new Response(r.body, r);
    return [copy.status, [...copy.headers.keys()], await copy.text(), r.bodyUsed];
  },
  "body asked for twice": async ({ response }) => {
    const r = await response();
    const { body } = r;
    return [body === r.body, body?.locked, r.bodyUsed, await r.text(), body?.locked, r.bodyUsed, body === r.body];
  },
};

for (const name of READS) {
  const fake = async (): Promise<unknown> => `my own ${name}`;
  RESPONSE[`${name} assigned`] = async ({ response }) => {
    const r = await response();
    loose(r)[name] = fake;
    return [await (loose(r)[name] as () => unknown)(), Object.keys(r)];
  };
  RESPONSE[`${name} defined`] = async ({ response }) => {
    const r = await response();
    Object.defineProperty(r, name, { value: fake });
    return [await (loose(r)[name] as () => unknown)(), Object.keys(r), shapeOf(r)];
  };
  RESPONSE[`${name} of the prototype`] = async ({ response }) => {
    const r = await response();
    const read = loose(Response.prototype)[name] as () => unknown;
    const result = await attempt(() => read.call(r) as unknown);
    return [read.name, read.length, typeof result];
  };
}

/** How its body reads. */
const BODY: Record<string, Operation> = {
  "own properties": async ({ response }) => shapeOf(bodyOf(await response())),
  "prototype and class": async ({ response }) => {
    const body = bodyOf(await response());
    return [body instanceof ReadableStream, body.constructor.name, String(body), inherited(body, STREAM)];
  },
  "values is the iterator": async ({ response }) => {
    const body = bodyOf(await response());
    return Object.is(body.values, body[Symbol.asyncIterator]);
  },
  "a reader": async ({ response }) => {
    const reader = bodyOf(await response()).getReader();
    return [
      shapeOf(reader),
      reader instanceof ReadableStreamDefaultReader,
      inherited(reader, ["read", "cancel", "releaseLock", "closed"]),
      reader.closed instanceof Promise,
      Object.is(reader.closed, reader.closed),
    ];
  },
  "an iterator": async ({ response }) => {
    const iterator = bodyOf(await response())[Symbol.asyncIterator]();
    return [
      Object.keys(iterator),
      iterator.next.name,
      iterator.next.length,
      iterator.return?.name,
      iterator.return?.length,
      String(iterator),
      Symbol.asyncIterator in iterator,
    ];
  },
  "what a read returns": async ({ response }) => {
    const reader = bodyOf(await response()).getReader();
    const read = reader.read();
    const { done, value } = await read;
    return [read instanceof Promise, done, value?.constructor.name, value?.byteOffset];
  },
  "wrong modes": async ({ response }) => {
    const body = bodyOf(await response());
    return Promise.all([
      attempt(() => body.getReader({ mode: "no" } as never)),
      attempt(() => body.getReader(5 as never)),
      attempt(() => body.values(5 as never)),
      attempt(() => body.pipeTo(undefined as never)),
      attempt(() => body.pipeThrough(undefined as never)),
    ]);
  },
  "locked while it is read": async ({ response }) => {
    const r = await response();
    const reader = bodyOf(r).getReader();
    const before = [bodyOf(r).locked, r.bodyUsed];
    const errors = await Promise.all([
      attempt(() => bodyOf(r).getReader()),
      attempt(() => bodyOf(r).values()),
      attempt(() => bodyOf(r).tee()),
      attempt(() => bodyOf(r).cancel()),
      attempt(() => r.text()),
      attempt(() => r.clone()),
      attempt(() => new Response(r.body)),
    ]);
    await reader.read();
    return [before, errors, bodyOf(r).locked, r.bodyUsed];
  },
  "released with a read pending": async ({ response }) => {
    const r = await response();
    const reader = bodyOf(r).getReader();
    await reader.read();
    for (let i = 0; i < 100; i++) void reader.read().catch(() => {});
    const read = attempt(() => reader.read());
    reader.releaseLock();
    return [
      seen,
      await read,
      await attempt(() => reader.read()),
      await attempt(() => reader.closed),
      bodyOf(r).locked,
    ].slice(1);
  },
  "closed when it ends": async ({ response }) => {
    const r = await response();
    const reader = bodyOf(r).getReader();
    const order: string[] = [];
    void reader.closed.then(() => order.push("closed"));
    while (!(await reader.read()).done);
    order.push("done");
    await reader.closed;
    return [order.length, (await reader.read()).done, bodyOf(r).locked, r.bodyUsed];
  },
  "an iterator after its end": async ({ response }) => {
    const r = await response();
    const iterator = iteratorOf(r);
    while (!(await iterator.next()).done);
    return [await iterator.next(), await iterator.return(SEVEN), bodyOf(r).locked, r.bodyUsed];
  },
  "an iterator returned early": async ({ response }) => {
    const r = await response();
    const iterator = iteratorOf(r);
    await iterator.next();
    return [await iterator.return(SEVEN), await iterator.next(), bodyOf(r).locked, r.bodyUsed];
  },
  "an iterator returned before it began": async ({ response }) => {
    const r = await response();
    const iterator = iteratorOf(r);
    return [bodyOf(r).locked, await iterator.return(SEVEN), await iterator.next(), bodyOf(r).locked, r.bodyUsed];
  },
};

/** Ways to read a body that breaks off. */
const BROKEN: Readonly<Record<string, (response: Response) => unknown>> = {
  text: (r) => r.text(),
  json: (r) => r.json(),
  arrayBuffer: (r) => r.arrayBuffer(),
  blob: (r) => r.blob(),
  "text, and its stack": (r) => {
    async function caller(): Promise<unknown> {
      return await r.text();
    }
    return stackOf(caller);
  },
  "loop, and its stack": (r) => {
    async function caller(): Promise<void> {
      for await (const _ of bodyOf(r));
    }
    return stackOf(caller);
  },
  "no JSON, and its stack": (r) => {
    async function caller(): Promise<unknown> {
      return await r.json();
    }
    return stackOf(caller);
  },
  clone: (r) => Promise.all([r.clone(), r].map((copy) => attempt(() => copy.text()))),
  loop: async (r) => {
    let bytes = 0;
    const error = await attempt(async () => {
      for await (const chunk of bodyOf(r)) bytes += chunk.byteLength;
    });
    return [bytes > 0, error, bodyOf(r).locked];
  },
  reader: async (r) => {
    const reader = bodyOf(r).getReader();
    const error = await attempt(async () => {
      while (!(await reader.read()).done);
      return "done";
    });
    return [error, await attempt(() => reader.read()), await attempt(() => reader.closed), bodyOf(r).locked];
  },
  "Readable.fromWeb": async (r) =>
    attempt(async () => {
      for await (const _ of Readable.fromWeb(bodyOf(r) as never));
      return "done";
    }),
  pipeTo: async (r) => {
    const errors: unknown[] = [];
    const result = await attempt(() =>
      bodyOf(r).pipeTo(new WritableStream({ abort: (reason) => void errors.push(seen(reason)) })),
    );
    return [result, errors];
  },
  tee: (r) =>
    Promise.all(
      bodyOf(r)
        .tee()
        .map((branch) => attempt(() => new Response(branch).text())),
    ),
};

for (const [how, read] of Object.entries(BROKEN)) {
  BODY[`broken off: ${how}`] = async ({ broken }) => attempt(async () => read(await broken()));
}

/** Options whose members say when they are read. */
function counted(init: object, throwing?: string): { init: RequestInit; reads: Record<string, number> } {
  const reads: Record<string, number> = {};
  const made = {};
  for (const [name, value] of Object.entries(init)) {
    Object.defineProperty(made, name, {
      enumerable: true,
      get() {
        reads[name] = (reads[name] ?? 0) + 1;
        if (name === throwing) throw new RangeError(`no ${name}`);
        return value;
      },
    });
  }
  return { init: made, reads };
}

/** How it is asked. */
const FETCH: Record<string, Operation> = {
  "no argument": ({ fetch }) => when(() => (fetch as () => unknown)()),
  undefined: ({ fetch }) => when(() => fetch(undefined as never)),
  "a symbol": ({ fetch }) => when(() => fetch(Symbol("x") as never)),
  "a bad address": ({ fetch }) => when(() => fetch("no address/v1/chat/completions")),
  "a port that is closed": ({ fetch, init }) => when(() => fetch("http://127.0.0.1:1/v1/chat/completions", init())),
  "an address of another scheme": ({ fetch, init }) => when(() => fetch("ftp://127.0.0.1/v1/chat/completions", init())),
  "an address of many slashes": ({ fetch, url, init }) =>
    when(() => fetch(url.replace("/v1", "/".repeat(2_000)), init())),
  "a bad method": ({ fetch, url, init }) => when(() => fetch(url, { ...init(), method: "no method" })),
  "GET with a body": ({ fetch, url, init }) => when(() => fetch(url, { ...init(), method: "GET" })),
  "a bad header": ({ fetch, url, init }) => when(() => fetch(url, { ...init(), headers: { "a b": "c" } })),
  "a bad header value": ({ fetch, url, init }) => when(() => fetch(url, { ...init(), headers: { a: "\n\u0100" } })),
  "headers of other kinds": async ({ fetch, url, init }) =>
    Promise.all(
      [null, 5, "a", true, [["a"]], [1], new Map([["a", "1"]]), new URLSearchParams("a=1")].map((headers) =>
        when(() => fetch(url, { ...init(), headers: headers as never })),
      ),
    ),
  "options of other kinds": async ({ fetch, url }) =>
    Promise.all([null, 5, "x", [], () => {}].map((init) => when(() => fetch(url, init as never)))),
  "bodies of other kinds": async ({ fetch, url, init }) => {
    const { body } = init();
    const form = new FormData();
    form.set("a", "1");
    const bodies = [
      null,
      undefined,
      5,
      {},
      Buffer.from(body),
      new Blob([body]),
      new URLSearchParams("a=1"),
      form,
      { toString: () => body },
    ];
    return Promise.all(bodies.map((one) => when(() => fetch(url, { ...init(), body: one as never }))));
  },
  "a body that is read": async ({ fetch, url, init }) => {
    const stream = new Response("x").body as ReadableStream;
    await new Response(stream).text();
    return when(() => fetch(url, { ...init(), body: stream, duplex: "half" } as RequestInit));
  },
  "a body that is locked": ({ fetch, url, init }) => {
    const stream = new Response("x").body as ReadableStream;
    stream.getReader();
    return when(() => fetch(url, { ...init(), body: stream, duplex: "half" } as RequestInit));
  },
  "a stream without duplex": ({ fetch, url, init }) =>
    when(() => fetch(url, { ...init(), body: new Blob(["x"]).stream() })),
  "a stream that fails": ({ fetch, url, init }) => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new RangeError("mine")) });
    return when(() => fetch(url, { ...init(), body, duplex: "half" } as RequestInit));
  },
  "a request that is used": async ({ fetch, url, init }) => {
    const request = new Request(url, init());
    await request.text();
    return when(() => fetch(request));
  },
  "a request whose stream fails": ({ fetch, url, init }) => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new RangeError("mine")) });
    return when(() => fetch(new Request(url, { ...init(), body, duplex: "half" } as RequestInit)));
  },
  "aborted before": ({ fetch, url, init }) => when(() => fetch(url, { ...init(), signal: AbortSignal.abort() })),
  "aborted before, with a reason": ({ fetch, url, init }) =>
    when(() => fetch(url, { ...init(), signal: AbortSignal.abort(new RangeError("mine")) })),
  "aborted at once": ({ fetch, url, init }) => {
    const controller = new AbortController();
    const result = when(() => fetch(url, { ...init(), signal: controller.signal }));
    controller.abort("text");
    return result;
  },
  "a signal that is none": ({ fetch, url, init }) => when(() => fetch(url, { ...init(), signal: {} as never })),
  "redirect refused": ({ fetch, url, init }) =>
    when(() => fetch(url.replace("/v1", "/moved/v1"), { ...init(), redirect: "error" })),
  "redirect by hand": async ({ fetch, url, init }) => {
    const { status, type, redirected, headers } = await fetch(url.replace("/v1", "/moved/v1"), {
      ...init(),
      redirect: "manual",
    });
    return [status, type, redirected, headers.get("location") !== null];
  },
  "integrity that fails": ({ fetch, url, init }) => when(() => fetch(url, { ...init(), integrity: "sha256-AAAA" })),
  "getters are read once": async ({ fetch, url, init }) => {
    const one = counted({ ...init(), signal: new AbortController().signal });
    return [await when(() => fetch(url, one.init)), one.reads];
  },
  "getters of headers are read once": async ({ fetch, url, init }) => {
    const one = counted(init().headers);
    return [await when(() => fetch(url, { ...init(), headers: one.init as never })), one.reads];
  },
  "an iterator of headers": ({ fetch, url, init }) =>
    when(() => fetch(url, { ...init(), headers: Object.entries(init().headers).values() as never })),
  "an iterator of headers that throws": ({ fetch, url, init }) => {
    function* headers(): Generator<[string, string]> {
      yield ["a", "1"];
      throw new RangeError("mine");
    }
    return when(() => fetch(url, { ...init(), headers: headers() as never }));
  },
  "options of a class": ({ fetch, url, init }) => {
    class Options {
      method = "POST";
      get body(): string {
        return init().body;
      }
      get headers(): Record<string, string> {
        return init().headers;
      }
    }
    return when(() => fetch(url, new Options()));
  },
  "options that are a proxy": async ({ fetch, url, init }) => {
    const reads: PropertyKey[] = [];
    const proxy = new Proxy(init(), {
      get(target, name) {
        reads.push(name);
        return loose(target)[name];
      },
    });
    const answer = await when(() => fetch(url, proxy));
    return [answer, ["body", "headers", "method", "signal"].map((name) => reads.filter((one) => one === name).length)];
  },
  "frozen options": ({ fetch, url, init }) => when(() => fetch(url, Object.freeze(init()))),
  "options without a prototype": ({ fetch, url, init }) =>
    when(() => fetch(url, Object.assign(Object.create(null) as RequestInit, init()))),
  "options are left as they are": async ({ fetch, url, init }) => {
    const options = init();
    const before = JSON.stringify(options);
    await (await fetch(url, options)).text();
    return [before === JSON.stringify(options), shapeOf(options)];
  },
  "an address that is an object": async ({ fetch, url, init }) => {
    let asked = 0;
    const address = {
      toString() {
        asked += 1;
        return url;
      },
    };
    return [await when(() => fetch(address as never, init())), asked];
  },
  "an address that throws": ({ fetch, init }) =>
    when(() =>
      fetch(
        {
          toString() {
            throw new RangeError("mine");
          },
        } as never,
        init(),
      ),
    ),
  "without a receiver, with another": async ({ fetch, url, init }) =>
    Promise.all([undefined, null, {}, 5].map((self) => when(() => fetch.call(self as never, url, init())))),
  "the caller in the stack of a rejection": async ({ fetch, init }) => {
    async function caller(address: string): Promise<unknown> {
      return await fetch(address, init());
    }
    const addresses = ["http://127.0.0.1:1/v1/chat/completions", "http://127.0.0.1:1/other", "no address", "data:,x"];
    return Promise.all(addresses.map((address) => stackOf(() => caller(address))));
  },
  "the caller in the stack of an aborted call": async ({ fetch, url, init }) => {
    const control = new AbortController();
    // Before any answer can come, which a timer is not.
    setImmediate(() => control.abort());
    async function caller(): Promise<unknown> {
      return await fetch(url, { ...init(), signal: control.signal });
    }
    return stackOf(caller);
  },
  "what fetch is": ({ fetch }) => [shapeOf(fetch), fetch instanceof Function, typeof fetch, Object.keys(fetch)],
  "a promise": async ({ fetch, url, init }) => {
    const answer = fetch(url, init());
    const shape = [
      answer instanceof Promise,
      Object.getPrototypeOf(answer) === Promise.prototype,
      Reflect.ownKeys(answer),
    ];
    await (await answer).text();
    return shape;
  },
};

for (const name of ["body", "headers", "method", "signal", "redirect"]) {
  FETCH[`a getter of ${name} that throws`] = async ({ fetch, url, init }) => {
    const one = counted({ ...init(), signal: undefined, redirect: "follow" }, name);
    return [await when(() => fetch(url, one.init)), one.reads[name]];
  };
}

export const OPERATIONS: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  response: RESPONSE,
  body: BODY,
  fetch: FETCH,
};
