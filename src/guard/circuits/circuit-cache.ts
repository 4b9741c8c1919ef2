import { setTimeout } from "node:timers";
import type { ScopeNode } from "../../core/scope.ts";
import { type Circuit, circuitAt, nextCircuit } from "../../limits/circuit.ts";
import { type Change, changeCircuit, type Store, within } from "../../stores/store.ts";

/** The circuits that are not closed, as far as this process knows them: from its store, and from a breaker's feed. */
export interface Board {
  /** The circuit that a call runs into, or undefined. One that probes may let it pass. */
  find(node: ScopeNode, now: number): Circuit | undefined;
  /** Takes one of the probes. Resolves to whether there was one left. */
  probe(circuit: Circuit, now: number): Promise<boolean>;
  /** Whether nothing has been heard of the circuits for too long. */
  isUnknown(now: number): boolean;
  /** Resolves when the circuits are known, or after the time given. */
  known(ms: number): Promise<void>;
  readonly open: readonly Circuit[];
  /** Takes in what a breaker's feed says. */
  readonly feed: Feed;
  close(): void;
}

export interface Feed {
  /** All circuits that are not closed. */
  replace(circuits: readonly Circuit[]): void;
  put(circuit: Circuit): void;
  away(): void;
}

export interface BoardOptions {
  readonly store: Store;
  /** Whether a feed has to be heard of, too. */
  readonly fed: boolean;
  readonly clock: () => number;
  readonly onBack: () => void;
  readonly onRecall: (key: string) => void;
  readonly onFailure: (error: unknown) => void;
  /** A circuit opened or closed. */
  readonly onChange: (circuit: Circuit) => void;
}

/** For how long what was last heard is good enough. */
const STALE_MS = 30_000;
const RETRY_MS = 1_000;

interface Source {
  readonly circuits: Map<string, Circuit>;
  /** Heard of; `lostAt` is when it was last lost, while it is. */
  heard: boolean;
  lostAt: number | undefined;
}

export function createBoard(options: BoardOptions): Board {
  const { store, clock } = options;
  const stored: Source = { circuits: new Map(), heard: false, lostAt: undefined };
  const fed: Source = { circuits: new Map(), heard: !options.fed, lostAt: undefined };
  const sources = [stored, fed];
  const waiting = new Set<() => void>();
  /** Scopes of more than one part, which have to be looked through. */
  let joined: readonly Circuit[] = [];
  let closed = false;

  function put(source: Source, circuit: Circuit): void {
    const before = source.circuits.get(circuit.scope);
    if (before !== undefined && source === stored && before.rev > circuit.rev) return;
    if (circuitAt(circuit, clock()).state === "closed") source.circuits.delete(circuit.scope);
    else source.circuits.set(circuit.scope, circuit);
    findJoined();
    if ((before?.state ?? "closed") !== circuit.state) options.onChange(circuit);
  }

  function findJoined(): void {
    joined = sources.flatMap(({ circuits }) => [...circuits.values()].filter(({ scope }) => scope.includes(",")));
  }

  function hear(source: Source): void {
    source.heard = true;
    source.lostAt = undefined;
    if (!sources.every(({ heard }) => heard)) return;
    for (const tell of waiting) tell();
    waiting.clear();
  }

  /** What the store does not know of, it forgot: it is told again. What it knows is newer. */
  function takeAll(circuits: readonly Circuit[]): void {
    const there = new Set(circuits.map(({ scope }) => scope));
    for (const circuit of stored.circuits.values()) {
      if (there.has(circuit.scope) || circuitAt(circuit, clock()).state === "closed") continue;
      Promise.resolve(store.putCircuit({ ...circuit, rev: 1 })).catch(options.onFailure);
    }
    for (const circuit of circuits) {
      stored.circuits.delete(circuit.scope);
      put(stored, circuit);
    }
    hear(stored);
  }

  function load(): void {
    if (closed) return;
    const again = (error: unknown): void => {
      options.onFailure(error);
      stored.lostAt ??= clock();
      setTimeout(load, RETRY_MS).unref();
    };
    try {
      const circuits = store.circuits();
      if (circuits instanceof Promise) circuits.then(takeAll).catch(again);
      else takeAll(circuits);
    } catch (error) {
      again(error);
    }
  }

  const unsubscribe = store.subscribe((change: Change) => {
    if (change.type === "circuit") put(stored, change.circuit);
    else if (change.type === "recall") options.onRecall(change.key);
    else if (change.type === "away") stored.lostAt ??= clock();
    else {
      load();
      options.onBack();
    }
  });
  load();

  return {
    find(node, now) {
      if (stored.circuits.size === 0 && fed.circuits.size === 0) return undefined;
      for (const source of sources) {
        if (source.circuits.size === 0) continue;
        for (const account of node.accounts) {
          const found = look(source, account, now);
          if (found) return found;
        }
        const found = look(source, `root_agent:${node.scope.rootAgent}`, now) ?? look(source, "all", now);
        if (found) return found;
      }
      return joined.find((circuit) => covers(circuit, node) && circuitAt(circuit, now).state !== "closed");
    },
    async probe(circuit, now) {
      if (stored.circuits.get(circuit.scope) === circuit) {
        const step = await changeCircuit(store, circuit.scope, { type: "probe" }, now);
        return step.changed || step.circuit.state === "closed";
      }
      const step = nextCircuit(circuit, { type: "probe" }, now);
      if (step.changed) put(fed, step.circuit);
      return step.changed || step.circuit.state === "closed";
    },
    isUnknown(now) {
      const certain = stored.heard && fed.heard && stored.lostAt === undefined && fed.lostAt === undefined;
      return !certain && (isUnknown(stored, now) || isUnknown(fed, now));
    },
    async known(ms) {
      if (sources.every(({ heard }) => heard)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      await within(promise, ms).catch(() => {});
      waiting.delete(resolve);
    },
    get open() {
      const now = clock();
      return sources.flatMap(({ circuits }) =>
        [...circuits.values()].filter((circuit) => circuitAt(circuit, now).state !== "closed"),
      );
    },
    feed: {
      replace(circuits) {
        const there = new Set(circuits.map(({ scope }) => scope));
        for (const scope of [...fed.circuits.keys()]) if (!there.has(scope)) fed.circuits.delete(scope);
        findJoined();
        for (const circuit of circuits) put(fed, circuit);
        hear(fed);
      },
      put: (circuit) => put(fed, circuit),
      away() {
        fed.lostAt ??= clock();
      },
    },
    close() {
      closed = true;
      unsubscribe();
    },
  };

  function look(source: Source, scope: string, now: number): Circuit | undefined {
    const found = source.circuits.get(scope);
    if (found === undefined || found.state === "closed") return undefined;
    if (found.until > now) return found;
    if (circuitAt(found, now).state !== "closed") return found;
    put(source, circuitAt(found, now));
    return undefined;
  }
}

function isUnknown({ heard, lostAt }: Source, now: number): boolean {
  return !heard || (lostAt !== undefined && now - lostAt > STALE_MS);
}

/** Whether each part of a circuit's scope is one of the call's. */
export function covers(circuit: Circuit, { accounts, scope }: ScopeNode): boolean {
  if (circuit.scope === "all") return true;
  return circuit.scope.split(",").every((part) => accounts.includes(part) || part === `root_agent:${scope.rootAgent}`);
}
