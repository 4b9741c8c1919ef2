import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { flush, onCall, type SettledCall, scope } from "../../src/index.ts";
import type { ModelServer, Over, Visit } from "../servers/model-server.ts";
import type { StreamBody, WholeBody } from "./bodies.ts";
import type { Act, Ending } from "./endings.ts";
import type { Shape, Site } from "./shape.ts";
import { describe, type Got, watchFor } from "./watch.ts";

/** One way of calling with one ending. */
export interface Row {
  readonly name: string;
  readonly shape: Shape;
  readonly ending: Ending<StreamBody & WholeBody>;
  readonly body: StreamBody & WholeBody;
}

/** The result of one run of a row. */
export interface Run {
  /** Whose calls they are. */
  readonly agent: string;
  readonly got: Got;
  readonly visits: readonly Visit[];
  /** How the last request was over for the server, where the client was to leave. */
  readonly over: Over | undefined;
  /** `performance.now()` when the caller acted. */
  readonly actedAt: number;
}

export const KEY = "sk-test-of-the-sdks";
/** How long anything may take before it is said to hang, in milliseconds: a busy machine is slow. */
const BOUND = 20_000;

let runs = 0;

/** Runs the row: once, or again with more time while the SDK gives up before the server has its request. */
export async function run(row: Row, server: ModelServer, agent: string): Promise<Run> {
  for (let patience = 1; ; patience *= 4) {
    const name = patience === 1 ? agent : `${agent}-${patience}`;
    const done = await runOnce(row, server, name, patience);
    if (row.ending.timeout === undefined || done.visits.length > 0 || patience > 100) return done;
  }
}

/** The call is made in the scope of `agent`, and read outside of it. */
async function runOnce(
  { shape, ending, body }: Row,
  server: ModelServer,
  agent: string,
  patience: number,
): Promise<Run> {
  const acted = Promise.withResolvers<void>();
  const abort = new AbortController();
  const got: Got = { items: [], text: "" };
  let actedAt = Number.NaN;

  async function act(what: Act): Promise<boolean> {
    actedAt = performance.now();
    if (what === "abort") abort.abort();
    else if (what === "timeout")
      AbortSignal.timeout(1).onabort = ({ target }) => abort.abort((target as AbortSignal).reason);
    else if (what === "flush") await flush();
    acted.resolve();
    return what === "break" || what === "leave";
  }

  const root = `/${++runs}`;
  server.play((visit, attempt) => ending.script({ body, visit, attempt, acted: acted.promise }), root);
  const { act: what, when, retries = 0 } = ending;
  const timeout = ending.timeout && ending.timeout * patience;
  const site: Site = { url: server.url + root, key: KEY, signal: abort.signal, timeout, retries };
  const open = () => scope({ agent, team: "sdks", run: agent }, () => shape.open(site));

  if (what && when === "sent") {
    const head = ending.headless ? undefined : headOf(server);
    server.visit(0).then(async (visit) => {
      await visit.played;
      await head;
      await act(what);
    });
  }
  if (ending.reads) await leaveUnread(open, ending.reads === "drops it", server);
  else {
    const marker = when === "cut" ? body.marker : when === "last" ? body.lastMarker : undefined;
    const watch = watchFor(marker, got, () => act(what as Act), what === "leave");
    try {
      got.result = await within(shape.read(open() as never, watch), `${shape.name}: the caller is not done`);
    } catch (error) {
      got.error = describe(error);
    }
  }
  const last = server.visits.at(-1);
  const lingers = what === "break" && shape.breakLingers !== undefined;
  const left = ending.leaves && !lingers && last ? last.over : undefined;
  const seen = ending.reads === "drops it" && left ? collecting(left) : left;
  const over = seen && (await within(seen, "the server saw no cancellation"));
  return { agent, got, visits: server.visits, over, actedAt };
}

/** Makes the call and leaves its answer alone; it is not kept, so that it can be collected. */
async function leaveUnread(open: () => unknown, drop: boolean, server: ModelServer): Promise<void> {
  const handle = (async () => ({ value: await open() }))();
  await within(handle, "no answer");
  await (await server.visit(0)).played;
  if (!drop) await flush();
}

/** Resolves when the head of a response of this server has come, and code awaiting it has run. */
function headOf({ host }: ModelServer): Promise<void> {
  return new Promise((resolve) => {
    const HEADERS = "undici:request:headers";
    const come = (message: unknown): void => {
      if (!(message as { request: { origin: string } }).request.origin.endsWith(host)) return;
      unsubscribe(HEADERS, come);
      setImmediate(() => setImmediate(resolve));
    };
    subscribe(HEADERS, come);
  });
}

/** While the garbage collector is what is waited for, it has to run. */
export async function collecting<T>(event: Promise<T>): Promise<T> {
  let over = false;
  const done = event.finally(() => {
    over = true;
  });
  const end = performance.now() + BOUND;
  while (!over && performance.now() < end) {
    globalThis.gc?.();
    // What is collected is told later, and then a connection closes: the collector is slow, and need not run in between.
    for (let turn = 0; !over && turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return done;
}

/** Fails instead of hanging. */
export async function within<T>(event: PromiseLike<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} after ${BOUND} ms`)), BOUND);
  try {
    return await Promise.race([event, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Every settled call, by its agent, for as long as the process runs: what settles twice shows at the end. */
export function collectCalls(): {
  readonly of: (agent: string) => readonly SettledCall[];
  until(agent: string, count: number): Promise<void>;
} {
  const calls: SettledCall[] = [];
  const waiting = new Set<() => void>();
  const of = (agent: string) => calls.filter((call) => call.scope.run === agent);
  onCall((call) => {
    calls.push(call);
    for (const look of waiting) look();
  });
  return {
    of,
    async until(agent, count) {
      const enough = Promise.withResolvers<void>();
      const look = () => of(agent).length >= count && enough.resolve();
      waiting.add(look);
      look();
      await within(enough.promise, `${of(agent).length} of ${count} calls settled`).finally(() => waiting.delete(look));
    },
  };
}
