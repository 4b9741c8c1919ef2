import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers";
import type { Config } from "../config/config.ts";
import { isSpendfuseError } from "../core/errors.ts";
import { readDuration } from "../core/period.ts";
import type { ScopeNode } from "../core/scope.ts";
import type { Approve } from "../guard/approval.ts";
import type { Blocked } from "../guard/blocked.ts";
import type { Count } from "../guard/budgets/budget-counter.ts";
import { createGauges, type GaugeReading } from "../guard/gauges.ts";
import { createGuard, type Guard } from "../guard/guard.ts";
import { createRefusal } from "../guard/refusal.ts";
import type { RepeatRule } from "../guard/repeats.ts";
import { blockedUnknown } from "../guard/verdict.ts";
import type { Ask, Gate, Passage } from "../limits/gate.ts";
import { DEFAULT_STORE, shownStore } from "../stores/addresses.ts";
import { openMemory } from "../stores/memory.ts";
import { type Store, within } from "../stores/store.ts";

/** The guard of a process, its store, and what tells it of circuits. */
export interface Enforcement {
  readonly gate: Gate;
  gauges(): readonly GaugeReading[];
  /** Resolves when store, feed and breaker stand; rejects with the first that could not. */
  readonly ready: Promise<void>;
  /** The counts of this process's budgets. */
  readonly counts: Iterable<Count>;
  /** Undefined while it is not open. */
  store(): Store | undefined;
  /** Where the breaker inside this process listens. */
  breakerUrl(): string | undefined;
  /** Gives back what is held, and stops listening. Never rejects. */
  close(): Promise<void>;
}

export interface EnforcementOptions {
  readonly config: Config;
  readonly instance: () => string;
  readonly approvers: ReadonlySet<Approve>;
  readonly say: (message: string) => void;
  readonly onRefused: (node: ScopeNode, blocked: Blocked, mode: string) => void;
  readonly onFault: (error: unknown) => void;
}

const TIMEOUT_MS = 50;
const REOPEN_MS = 5_000;

/** Whether the configuration asks for a guard at all: without one, calls are only metered. */
export function isGuarded({ caps, breaker, store, mode, repeats }: Config): boolean {
  const asked = breaker !== undefined || store !== undefined || mode !== undefined || repeats !== undefined;
  return mode !== "off" && (caps.length > 0 || asked);
}

export function openEnforcement(options: EnforcementOptions): Enforcement {
  const { config, say, instance } = options;
  const { store: address = DEFAULT_STORE, whenStateUnknown = "open", breaker } = config;
  const timeoutMs = readDuration(config.stateTimeout) ?? TIMEOUT_MS;
  const mode = config.mode === "shadow" ? "shadow" : "enforce";
  const closers: (() => unknown)[] = [];
  let guard: Guard | undefined;
  let opened: Store | undefined;
  let gauges: (() => readonly GaugeReading[]) | undefined;
  let url: string | undefined;
  let closed = false;

  function begin(store: Store): Store {
    guard = createGuard({
      budgets: config.caps,
      mode,
      store,
      fed: breaker?.url !== undefined,
      whenStateUnknown,
      unpriced: config.unpriced ?? "allow",
      cutStreams: config.cutStreams === true,
      repeats: repeatRule(config),
      timeoutMs,
      holder: randomUUID(),
      instance,
      approvers: options.approvers,
      say,
      onRefused: options.onRefused,
      onFault: options.onFault,
    });
    const { circuits, counts } = guard;
    opened = store;
    gauges = createGauges(() => circuits.open, counts, { mode, isUnknown: circuits.isUnknown }, instance);
    return store;
  }

  async function open(): Promise<Store> {
    const { openStore } = await import("../stores/open.ts");
    return begin(await openStore(address));
  }

  /** A store that cannot be opened now may be there later; one that is named wrongly will not. */
  function openAgain(error: unknown): never {
    if (!isSpendfuseError(error) || error.code === "SPENDFUSE_STORE") {
      setTimeout(
        () =>
          closed ||
          open()
            .catch(openAgain)
            .catch(() => {}),
        REOPEN_MS,
      ).unref();
    }
    throw error;
  }

  const opening = address === DEFAULT_STORE ? Promise.resolve(begin(openMemory())) : open().catch(openAgain);
  const ready = opening.then(async (store) => {
    if (breaker?.url !== undefined && guard !== undefined) {
      const { listen } = await import("../guard/circuits/feed.ts");
      const failed = (error: unknown): void => say(`the breaker at ${breaker.url} cannot be heard: ${text(error)}`);
      closers.push((await listen(breaker.url, guard.circuits.feed, onceIn(30_000, failed))).close);
    }
    if (breaker?.port !== undefined) await serve(store, breaker.port);
  });
  ready.catch((error) => say(`the guard could not start: ${text(error)}`));

  async function serve(store: Store, port: number): Promise<void> {
    const { startBreaker } = await import("../breaker/server.ts");
    const { SPENDFUSE_WEBHOOK_SECRET: secrets = "", SPENDFUSE_OPERATOR_TOKEN: token } = config.env;
    const ttlMs = readDuration(breaker?.ttl);
    const server = await startBreaker({
      store,
      port,
      ...(breaker?.host !== undefined && { host: breaker.host }),
      webhookSecrets: secrets.split(",").flatMap((secret) => secret.trim() || []),
      ...(token && { operatorToken: token }),
      ...(ttlMs !== undefined && { ttlMs }),
      say,
    });
    // An app that is done ends, breaker or not.
    server.unref();
    url = server.url;
    closers.push(() => server.close());
  }

  async function waitForGuard(ask: Ask): Promise<Passage> {
    await within(opening, timeoutMs).catch(() => {});
    if (guard !== undefined) return guard.admit(ask);
    if (whenStateUnknown === "open" || mode === "shadow") {
      tellUnknown("calls pass unchecked");
      return { pass: true, ticket: undefined };
    }
    tellUnknown("calls are refused");
    const blocked = blockedUnknown("budget", `agent:${ask.node.scope.agent}`);
    options.onRefused(ask.node, blocked, mode);
    return { pass: false, refusal: () => createRefusal(blocked, ask.refusal) };
  }

  const tellUnknown = onceIn(30_000, (what: string) =>
    say(`the store ${shownStore(address)} is not open yet: ${what} (whenStateUnknown: "${whenStateUnknown}")`),
  );

  return {
    ready,
    gate: {
      forecasts: config.caps.length > 0,
      cuts: config.cutStreams === true && mode === "enforce",
      admit: (ask) => (guard === undefined ? waitForGuard(ask) : guard.admit(ask)),
      charge: (node, spent) => guard?.charge(node, spent),
      answered: (answer) => guard?.answered(answer) === true,
    },
    gauges: () => gauges?.() ?? [],
    get counts() {
      return guard?.counts ?? [];
    },
    store: () => opened,
    breakerUrl: () => url,
    async close() {
      closed = true;
      await opening.catch(() => {});
      for (const close of closers) await close();
      await guard?.close();
    },
  };
}

const REPEAT_TRIP_MS = 15 * 60_000;

function repeatRule({ repeats }: Config): RepeatRule | undefined {
  if (repeats === undefined) return undefined;
  const withinMs = readDuration(repeats.within) ?? 0;
  return { max: repeats.max, withinMs, tripMs: readDuration(repeats.trip) ?? REPEAT_TRIP_MS };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same function, which does nothing for a while after each call. */
function onceIn<T>(ms: number, run: (value: T) => void): (value: T) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (value) => {
    const now = performance.now();
    if (now - last < ms) return;
    last = now;
    run(value);
  };
}
