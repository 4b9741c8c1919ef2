import { setTimeout } from "node:timers";
import type { ScopeNode } from "../../core/scope.ts";
import { type Circuit, circuitAt, nextCircuit } from "../../limits/circuit.ts";
import { readParts, writePart } from "../../limits/scope-text.ts";
import { type Change, changeCircuit, type Store, within } from "../../stores/store.ts";

/** The circuits that are not closed, as far as this process knows: from its store, and from a breaker's feed. */
export interface CircuitCache {
  /** The circuit that applies to a call, or undefined. One that is probing may allow the call. */
  find(node: ScopeNode, now: number): Circuit | undefined;
  /** Takes one of the probes. Resolves to whether one was left. */
  probe(circuit: Circuit, now: number): Promise<boolean>;
  /** Whether a source has been unreachable for too long. */
  isUnknown(now: number): boolean;
  /** Resolves when the circuits are known, or after `ms` milliseconds; also once a source is lost, where that is enough. */
  known(ms: number, untilLost?: boolean): Promise<void>;
  readonly open: readonly Circuit[];
  /** Receives what a breaker's feed reports. */
  readonly feed: Feed;
  close(): void;
}

export interface Feed {
  /** All circuits that are not closed. */
  replace(circuits: readonly Circuit[]): void;
  put(circuit: Circuit): void;
  /** The connection was lost. */
  away(): void;
}

export interface CircuitCacheOptions {
  readonly store: Store;
  /** Whether circuits also come from a feed. */
  readonly fed: boolean;
  readonly clock: () => number;
  /** The store is reachable again. */
  readonly onBack: () => void;
  readonly onRecall: (key: string) => void;
  readonly onFailure: (error: unknown) => void;
  /** A circuit opened or closed. */
  readonly onChange: (circuit: Circuit) => void;
}

/** How long the last known state is used after a source is lost. */
const STALE_MS = 30_000;
const RETRY_MS = 1_000;

interface Source {
  readonly circuits: Map<string, Circuit>;
  /** Whether it has been read at least once. */
  loaded: boolean;
  /** Since when it is unreachable; undefined while it is reachable. */
  lostAt: number | undefined;
}

interface CacheState {
  readonly options: CircuitCacheOptions;
  readonly stored: Source;
  readonly fed: Source;
  readonly sources: readonly Source[];
  /** Resolve the promises of calls that wait until the circuits are known; true for those that stop at a loss. */
  readonly waiting: Map<() => void, boolean>;
  /** Circuits whose scope has more than one part: `covers` is asked for each. */
  joined: readonly Circuit[];
  closed: boolean;
}

export function createCircuitCache(options: CircuitCacheOptions): CircuitCache {
  const stored: Source = { circuits: new Map(), loaded: false, lostAt: undefined };
  const fed: Source = { circuits: new Map(), loaded: !options.fed, lostAt: undefined };
  const sources = [stored, fed];
  const cache: CacheState = { options, stored, fed, sources, waiting: new Map(), joined: [], closed: false };
  const unsubscribe = options.store.subscribe((change) => applyChange(cache, change));
  load(cache);
  return {
    find(node, now) {
      return stored.circuits.size === 0 && fed.circuits.size === 0 ? undefined : search(cache, node, now);
    },
    probe: (circuit, now) => probe(cache, circuit, now),
    isUnknown(now) {
      const certain = stored.loaded && fed.loaded && stored.lostAt === undefined && fed.lostAt === undefined;
      return !certain && (isUnknown(stored, now) || isUnknown(fed, now));
    },
    known: (ms, untilLost = false) => known(cache, ms, untilLost),
    get open() {
      return openCircuits(cache);
    },
    feed: {
      replace: (circuits) => replaceFed(cache, circuits),
      put: (circuit) => put(cache, fed, circuit),
      away: () => lose(cache, fed),
    },
    close() {
      cache.closed = true;
      unsubscribe();
    },
  };
}

function search(cache: CacheState, node: ScopeNode, now: number): Circuit | undefined {
  for (const source of cache.sources) {
    if (source.circuits.size === 0) continue;
    for (const account of node.accounts) {
      const found = look(cache, source, writePart(account), now);
      if (found) return found;
    }
    const found = look(cache, source, `root_agent:${node.scope.rootAgent}`, now) ?? look(cache, source, "all", now);
    if (found) return found;
  }
  return cache.joined.find((circuit) => covers(circuit, node) && circuitAt(circuit, now).state !== "closed");
}

function look(cache: CacheState, source: Source, scope: string, now: number): Circuit | undefined {
  const found = source.circuits.get(scope);
  if (found === undefined || found.state === "closed") return undefined;
  if (found.until > now) return found;
  const current = circuitAt(found, now);
  if (current.state !== "closed") return found;
  put(cache, source, current);
  return undefined;
}

async function probe(cache: CacheState, circuit: Circuit, now: number): Promise<boolean> {
  const { stored, fed, options } = cache;
  if (stored.circuits.get(circuit.scope) === circuit) {
    const step = await changeCircuit(options.store, circuit.scope, { type: "probe" }, now);
    return step.changed || step.circuit.state === "closed";
  }
  const step = nextCircuit(circuit, { type: "probe" }, now);
  if (step.changed) put(cache, fed, step.circuit);
  return step.changed || step.circuit.state === "closed";
}

async function known({ sources, waiting }: CacheState, ms: number, untilLost: boolean): Promise<void> {
  if (sources.every(({ loaded }) => loaded)) return;
  if (untilLost && sources.some(({ lostAt }) => lostAt !== undefined)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.set(resolve, untilLost);
  await within(promise, ms).catch(() => {});
  waiting.delete(resolve);
}

function openCircuits({ sources, options }: CacheState): readonly Circuit[] {
  const now = options.clock();
  return sources.flatMap(({ circuits }) =>
    [...circuits.values()].filter((circuit) => circuitAt(circuit, now).state !== "closed"),
  );
}

function put(cache: CacheState, source: Source, circuit: Circuit): void {
  const { stored, options } = cache;
  const before = source.circuits.get(circuit.scope);
  const isOlder = before !== undefined && before.rev > circuit.rev && before.since >= circuit.since;
  if (isOlder && source === stored) return;
  if (circuitAt(circuit, options.clock()).state === "closed") source.circuits.delete(circuit.scope);
  else source.circuits.set(circuit.scope, circuit);
  findJoined(cache);
  if ((before?.state ?? "closed") !== circuit.state) options.onChange(circuit);
}

function findJoined(cache: CacheState): void {
  cache.joined = cache.sources.flatMap(({ circuits }) =>
    [...circuits.values()].filter(({ scope }) => scope.includes(",")),
  );
}

/** Marks a source as read; once all are, waiting calls proceed. */
function markLoaded({ sources, waiting }: CacheState, source: Source): void {
  source.loaded = true;
  source.lostAt = undefined;
  if (!sources.every(({ loaded }) => loaded)) return;
  for (const resolve of waiting.keys()) resolve();
  waiting.clear();
}

/** Marks a source as unreachable. */
function lose({ options, waiting }: CacheState, source: Source): void {
  source.lostAt ??= options.clock();
  for (const [resolve, untilLost] of waiting) if (untilLost) resolve();
}

function replaceFed(cache: CacheState, circuits: readonly Circuit[]): void {
  const { fed } = cache;
  const there = new Set(circuits.map(({ scope }) => scope));
  for (const scope of [...fed.circuits.keys()]) if (!there.has(scope)) fed.circuits.delete(scope);
  findJoined(cache);
  for (const circuit of circuits) put(cache, fed, circuit);
  markLoaded(cache, fed);
}

function applyChange(cache: CacheState, change: Change): void {
  const { stored, options } = cache;
  if (change.type === "circuit") put(cache, stored, change.circuit);
  else if (change.type === "recall") options.onRecall(change.key);
  else if (change.type === "away") {
    if (change.error !== undefined) options.onFailure(change.error);
    lose(cache, stored);
  } else {
    load(cache);
    options.onBack();
  }
}

function load(cache: CacheState): void {
  if (cache.closed) return;
  try {
    const circuits = cache.options.store.circuits();
    if (circuits instanceof Promise) {
      circuits.then((all) => applyAll(cache, all)).catch((error) => loadAgain(cache, error));
    } else applyAll(cache, circuits);
  } catch (error) {
    loadAgain(cache, error);
  }
}

function loadAgain(cache: CacheState, error: unknown): void {
  cache.options.onFailure(error);
  lose(cache, cache.stored);
  setTimeout(() => load(cache), RETRY_MS).unref();
}

/** Circuits missing in the store were lost there and are written again. Those it has are newer. */
function applyAll(cache: CacheState, circuits: readonly Circuit[]): void {
  const { stored, options } = cache;
  const there = new Set(circuits.map(({ scope }) => scope));
  for (const circuit of stored.circuits.values()) {
    if (there.has(circuit.scope) || circuitAt(circuit, options.clock()).state === "closed") continue;
    Promise.resolve(options.store.putCircuit({ ...circuit, rev: 1 })).catch(options.onFailure);
  }
  for (const circuit of circuits) {
    stored.circuits.delete(circuit.scope);
    put(cache, stored, circuit);
  }
  markLoaded(cache, stored);
}

function isUnknown({ loaded, lostAt }: Source, now: number): boolean {
  return !loaded || (lostAt !== undefined && now - lostAt > STALE_MS);
}

/** Whether a call is in every part of a circuit's scope. */
export function covers(circuit: Circuit, { accounts, scope }: ScopeNode): boolean {
  if (circuit.scope === "all") return true;
  return readParts(circuit.scope).every((part) => accounts.includes(part) || part === `root_agent:${scope.rootAgent}`);
}
