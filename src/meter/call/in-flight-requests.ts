import { AsyncLocalStorage } from "node:async_hooks";

/** A request from its hand-over to the transport until the response. */
export interface InFlight {
  /** Host with port. */
  readonly address: string;
  readonly path: string;
  /** It is a call, and not an unrelated API that looks like one. */
  readonly metered: boolean;
  /** A request that left the process was attributed to it. */
  seen: boolean;
  /** That request came from another async context than the call's, so that it may belong to another call. */
  lent: boolean;
  /** It was answered without an error, so that no retry follows. */
  answered: boolean;
  /** Whether all of the request that left for it was sent; undefined where that cannot be told. */
  sent: boolean | undefined;
  /** The transport has answered. */
  over: boolean;
}

/** The requests in flight through our hooks, and which of those that leave the process belong to them. */
export interface InFlightRequests {
  /** A request is about to be handed on; {@link end} must follow. `metered`: it is a metered call. */
  begin(target: { readonly address: string; readonly path: string }, metered: boolean): InFlight;
  /** Runs `send` so that requests that leave in it are attributed to this one. Returns its result. */
  run<A extends unknown[], T>(request: InFlight, send: (...args: A) => T, ...args: A): T;
  /** It was answered, or failed. */
  end(request: InFlight): void;
  /** A request that a transport meters by itself, outside {@link run}. */
  claim(request: object): void;
  /** It turned out that the transport cannot meter it. */
  disclaim(request: object): void;
  /** Called with each request that is disclaimed. */
  onDisclaimed: ((request: object) => void) | undefined;
  /** Whether the caller is sending a request of this path: a fetch inside a fetch is one call. */
  isInside(path: string): boolean;
  /** Whether the caller is sending a metered call. */
  isMetered(): boolean;
  /** Whether a request that leaves is of a call that is being sent; asked once for each request. */
  owns(request: object, address: string, path: string): boolean;
  /** A request was answered with this status, or failed without one; only reported where it can be retried unseen. */
  answered(request: object, status: number | undefined): void;
  /** A request was sent to its last byte. */
  sent(request: object): void;
}

/**
 * A request's async context identifies its call, unless it waited for a connection: undici 6 and 7 send what waits in
 * a pool from the context of whichever call frees a connection. So calls are also matched by their address:
 * each call being sent stands for one request, whichever of several like it. That keeps the count exact, because what
 * is taken for a call's own by mistake is made up for when the call's own comes.
 */
export function createInFlightRequests(): InFlightRequests {
  const storage = new AsyncLocalStorage<InFlight>();
  const open = new Set<InFlight>();
  const requests = new WeakMap<object, InFlight>();
  const claimed = new WeakSet<object>();

  function current(): InFlight | undefined {
    const own = storage.getStore();
    return own?.over === false ? own : undefined;
  }

  function unseen(address: string, path: string): InFlight | undefined {
    let samePath: InFlight | undefined;
    for (const one of open) {
      if (one.seen || one.path !== path) continue;
      if (one.address === address) return one;
      // A user's fetch may send to another address than the given one.
      samePath ??= one;
    }
    return samePath;
  }

  function take(request: object, sending: InFlight, lent: boolean): true {
    sending.seen = true;
    sending.lent = lent;
    // What another call sends says nothing of this one.
    sending.sent = lent ? undefined : false;
    requests.set(request, sending);
    return true;
  }

  return {
    onDisclaimed: undefined,
    claim(request) {
      claimed.add(request);
    },
    disclaim(request) {
      if (claimed.delete(request)) this.onDisclaimed?.(request);
    },
    begin({ address, path }, metered) {
      const request: InFlight = {
        address,
        path,
        metered,
        seen: false,
        lent: false,
        answered: false,
        sent: undefined,
        over: false,
      };
      open.add(request);
      return request;
    },
    run: (request, send, ...args) => storage.run(request, send, ...args),
    end(request) {
      request.over = true;
      open.delete(request);
    },
    isInside(path) {
      const own = storage.getStore();
      return own !== undefined && !own.over && own.path === path;
    },
    isMetered: () => current()?.metered === true,
    owns(request, address, path) {
      if (claimed.has(request)) return true;
      const own = current();
      const same = own?.address === address && own.path === path;
      if (own && same && !own.seen) return take(request, own, false);
      const other = unseen(address, path);
      if (other) return take(request, other, other !== own);
      if (own === undefined || own.answered) return false;
      if (same && own.lent) {
        // The request attributed to this call was another's, so one of the two is unmetered.
        own.lent = false;
        return false;
      }
      return take(request, own, false);
    },
    answered(request, status) {
      const sending = requests.get(request);
      if (sending === undefined || (status !== undefined && status < 200)) return;
      if (status !== undefined && status < 300) sending.answered = true;
      // It may be sent once more: to where it was redirected, or by a dispatcher that retries.
      else sending.seen = sending.lent = false;
    },
    sent(request) {
      const sending = requests.get(request);
      if (sending?.sent === false) sending.sent = true;
    },
  };
}
