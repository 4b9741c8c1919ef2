import * as undici from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hashKey } from "../../../../src/meter/identity/api-key.ts";
import { bodyFor, KINDS, METERED } from "../fetch/body/answers.ts";
import { answer, type Switched, startSwitched } from "../node-http/metering.ts";

const PATH = "/v1/chat/completions";
const KEY = "sk-proj-very-secret-0123456789";
const HEADERS = { "content-type": "application/json", authorization: `Bearer ${KEY}` };

let switched: Switched;

beforeAll(async () => {
  switched = await startSwitched();
});
beforeEach(() => answer(switched.server));
afterAll(() => switched.stop());

const post = (body: unknown, headers: unknown = HEADERS) => ({ method: "POST" as const, headers, body }) as never;
const at = (path = PATH): string => `${switched.server.url}${path}`;
type Send = (body: string) => Promise<string>;

async function* pieces(text: string): AsyncGenerator<Buffer> {
  for (let from = 0; from < text.length; from += 20) yield Buffer.from(text.slice(from, from + 20));
}

const requested = async (body: unknown, headers?: unknown): Promise<string> =>
  (await undici.request(at(), post(body, headers))).body.text();

/** `asks`: whether the question for usage is put where the caller does not. */
const WAYS: Readonly<Record<string, { readonly send: Send; readonly asks: boolean }>> = {
  "request, text": { send: (body) => requested(body), asks: true },
  "request, bytes": { send: (body) => requested(Buffer.from(body)), asks: true },
  "request, an ArrayBuffer": { send: (body) => requested(new TextEncoder().encode(body)), asks: true },
  "request, pieces": { send: (body) => requested(pieces(body)), asks: true },
  "request, pieces of known length": {
    send: (body) => requested(pieces(body), { ...HEADERS, "content-length": String(body.length) }),
    asks: true,
  },
  "request, text of known length": {
    send: (body) => requested(body, { ...HEADERS, "content-length": String(body.length) }),
    asks: false,
  },
  "request, a ReadableStream": { send: (body) => requested(new Blob([body]).stream()), asks: true },
  "request, a Blob": { send: (body) => requested(new Blob([body])), asks: false },
  "request, headers in turn": { send: (body) => requested(body, Object.entries(HEADERS).flat()), asks: true },
  "request, headers in pairs": { send: (body) => requested(body, new Map(Object.entries(HEADERS))), asks: true },
  "the package's fetch": {
    send: async (body) => (await undici.fetch(at(), post(body))).text(),
    asks: true,
  },
  "a Pool": {
    async send(body) {
      const pool = new undici.Pool(switched.server.url);
      const answered = await pool.request({ path: PATH, ...(post(body) as object) } as never);
      const text = await answered.body.text();
      await pool.close();
      return text;
    },
    asks: true,
  },
};

describe.each(Object.entries(WAYS))("%s", (_, { send, asks }) => {
  test.each(Object.entries(KINDS))("%s: as without us, and metered once", async (_name, { request, hidden }) => {
    const bare = await switched.bare(() => send(request));
    answer(switched.server);
    expect(await switched.metered(() => send(request))).toBe(bare);
    expect(switched.calls).toHaveLength(1);
    expect(switched.calls[0]).toMatchObject({
      ending: "completed",
      requestModel: "gpt-5-mini",
      scope: { key: hashKey(KEY) },
    });
    const [visit] = switched.server.visits;
    if (hidden && asks) expect(visit?.body).toContain('"include_usage":true');
    if (!hidden || asks) expect(switched.calls[0]).toMatchObject({ quality: "reported", usage: METERED });
  });
});

describe("what is sent", () => {
  const SCOPE = { "x-spendfuse-agent": "researcher", baggage: "user=42" };
  test.each([
    ["an object", { ...HEADERS, ...SCOPE }],
    ["in turn", Object.entries({ ...HEADERS, ...SCOPE }).flat()],
    ["pairs", new Map(Object.entries({ ...HEADERS, ...SCOPE }))],
  ])("our headers are read and taken out: %s", async (_, headers) => {
    await switched.metered(() => requested(KINDS.JSON?.request, headers));
    expect(switched.calls[0]?.scope).toMatchObject({ agent: "researcher" });
    const [visit] = switched.server.visits;
    expect(visit?.headers).toMatchObject({ ...HEADERS, baggage: "user=42" });
    expect(Object.keys(visit?.headers ?? {}).filter((name) => name.startsWith("x-spendfuse"))).toEqual([]);
  });

  test("an answer to a question of ours is asked for uncoded", async () => {
    const body = KINDS["stream, usage hidden"]?.request;
    await switched.metered(async () => (await undici.fetch(at(), post(body))).text());
    expect(switched.server.visits[0]?.headers["accept-encoding"]).toBe("identity");
  });
});

describe("one record for each call", () => {
  const { request } = KINDS.JSON as { readonly request: string };
  const moved = `/moved${PATH}`;

  // Not each Node's own fetch can use each major's dispatcher: it does as it does without us.
  test("Node's own fetch by a dispatcher of the package", async () => {
    const dispatcher = new undici.Agent();
    const send = () =>
      fetch(at(), { ...(post(request) as object), dispatcher } as never).then(
        (response) => response.text(),
        (error: Error) => `failed: ${error.cause}`,
      );
    const bare = await send();
    expect(await switched.metered(send)).toBe(bare);
    await dispatcher.close();
    expect(switched.calls).toHaveLength(1);
  });

  test("the package's fetch, wrapped, over a redirect", async () => {
    const { runtime } = switched;
    const wrapped = runtime.wrapFetch(undici.fetch as never);
    await switched.metered(async () => (await wrapped(at(moved), post(request))).text());
    expect(switched.calls).toHaveLength(1);
  });

  test("calls that wait in a pool, and are sent as other calls end", async () => {
    answer(switched.server, (chunks) => [{ pause: 10 }, ...chunks]);
    const pool = new undici.Pool(switched.server.url, { connections: 1 });
    await switched.metered(async () => {
      await Promise.all(
        Array.from({ length: 6 }, async () => {
          const { body } = await pool.request({ path: PATH, ...(post(request) as object) } as never);
          await body.text();
        }),
      );
    });
    await pool.close();
    expect(switched.server.visits).toHaveLength(6);
    expect(switched.calls).toHaveLength(6);
  });

  test("a redirect that an interceptor follows", async () => {
    const dispatcher = new undici.Agent().compose(undici.interceptors.redirect({ maxRedirections: 2 }));
    await switched.metered(async () =>
      (await undici.request(at(moved), { ...(post(request) as object), dispatcher } as never)).body.text(),
    );
    await dispatcher.close();
    expect(switched.server.visits).toHaveLength(2);
    expect(switched.calls).toHaveLength(1);
  });
});

describe("the hook", () => {
  /** `dispatch` of the class that clients, pools and agents inherit it from. */
  const dispatchOf = (): unknown => {
    const found: unknown[] = [];
    for (let on = undici.Client.prototype as object; on; on = Object.getPrototypeOf(on)) {
      const own = Object.getOwnPropertyDescriptor(on, "dispatch");
      if (own !== undefined) found.push(own.value);
    }
    return found[0];
  };

  test("is there only while the meter is", async () => {
    const before = dispatchOf();
    let during: unknown;
    await switched.metered(async () => {
      during = dispatchOf();
    });
    expect(during).not.toBe(before);
    expect(dispatchOf()).toBe(before);
  });

  test("switched off, it meters nothing", async () => {
    await switched.metered(() => requested(KINDS.JSON?.request), { transportsOff: ["undici"] });
    expect(switched.calls).toEqual([]);
  });

  test("other code's wrapper around it stays, and goes on", async () => {
    const base = Object.getPrototypeOf(undici.Client.prototype) as { dispatch: (...args: unknown[]) => boolean };
    const original = base.dispatch;
    let wrapped = 0;
    await switched.metered(async () => {
      const ours = base.dispatch;
      base.dispatch = function (this: unknown, ...args) {
        wrapped += 1;
        return ours.apply(this, args);
      };
      await requested(KINDS.JSON?.request);
    });
    expect(switched.calls).toHaveLength(1);
    expect(wrapped).toBeGreaterThan(0);
    expect(await requested(KINDS.JSON?.request)).toBe(bodyFor(KINDS.JSON?.request as string));
    expect(switched.calls).toHaveLength(1);
    base.dispatch = original;
  });
});

describe("a held request", () => {
  const budgets = [{ name: "none at all", per: "hour", calls: 0 }];
  const { request } = KINDS.JSON as { readonly request: string };

  /** Holds each call until the function that is returned is called. */
  function hold(): { readonly asked: Promise<void>; readonly go: (passes: boolean) => void; readonly end: () => void } {
    const asked = Promise.withResolvers<void>();
    const verdict = Promise.withResolvers<boolean>();
    const approve = () => {
      asked.resolve();
      return verdict.promise;
    };
    const { approvers } = switched.runtime;
    approvers.add(approve);
    return { asked: asked.promise, go: verdict.resolve, end: () => approvers.delete(approve) };
  }

  test.each([true, false])("is sent once the verdict is there: %s", async (passes) => {
    const held = hold();
    await switched.metered(
      async () => {
        const answered = undici.request(at(), post(request));
        await held.asked;
        expect(switched.server.visits).toHaveLength(0);
        held.go(passes);
        const { statusCode, body } = await answered;
        expect(statusCode).toBe(passes ? 200 : 402);
        await body.text();
      },
      { budgets },
    );
    held.end();
    expect(switched.server.visits).toHaveLength(passes ? 1 : 0);
    expect(switched.calls.map(({ ending }) => ending)).toEqual([passes ? "completed" : "blocked"]);
  });

  test("is not sent once it was aborted", async () => {
    const held = hold();
    const control = new AbortController();
    await switched.metered(
      async () => {
        const answered = undici.request(at(), { ...(post(request) as object), signal: control.signal } as never);
        const failed = expect(answered).rejects.toMatchObject({ name: "AbortError" });
        await held.asked;
        control.abort();
        held.go(true);
        await failed;
      },
      { budgets },
    );
    held.end();
    expect(switched.server.visits).toHaveLength(0);
    expect(switched.calls).toEqual([]);
  });

  test("of a client that is closed meanwhile fails as one that comes after", async () => {
    const held = hold();
    const client = new undici.Client(switched.server.url);
    await switched.metered(
      async () => {
        const answered = client.request({ path: PATH, ...(post(request) as object) } as never);
        const failed = expect(answered).rejects.toMatchObject({
          code: expect.stringMatching(/^UND_ERR_(?:CLOSED|DESTROYED)$/),
        });
        await held.asked;
        await client.close();
        held.go(true);
        await failed;
      },
      { budgets },
    );
    held.end();
    expect(switched.calls.map(({ ending }) => ending)).toEqual(["failed"]);
  });
});
