import { handlesOf, renderMessage, webhookOf } from "./monitor/message.ts";
import { type Change, createWatch, groupName, type Watch } from "./monitor/watch.ts";
import type { SeriesStore } from "./series/series.ts";
import type { TransitionView, WebhookView } from "./view.ts";
import { type Delivery, fillWebhook, type Webhook, type WebhookRequest } from "./webhook.ts";

/** A monitor of the account. */
export interface WatchedMonitor {
  readonly id: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Evaluates monitors minute by minute, and calls webhooks. */
export interface Engine {
  /** Evaluates every minute up to `now`, in seconds, one after another; webhooks are sent before the next minute. */
  advance(now: number): Promise<void>;
  /** Replaces the monitors. One whose body changed starts over. */
  sync(monitors: readonly WatchedMonitor[]): void;
  readonly watches: ReadonlyMap<number, Watch>;
  readonly transitions: readonly (TransitionView & { readonly monitor: number })[];
  readonly webhooks: readonly WebhookView[];
}

export interface EngineOptions {
  readonly store: SeriesStore;
  readonly now: number;
  readonly webhook: (name: string) => Webhook | undefined;
  readonly variables: () => ReadonlyMap<string, string>;
  readonly deliver: (request: WebhookRequest) => Promise<Delivery>;
  /** The date of a webhook by the clock of its receiver, in whole seconds; that of its alert without. */
  readonly webhookDate?: (at: number) => number;
  /** Whether a group of a monitor is silenced. */
  readonly isMuted?: (monitor: number, tags: ReadonlyMap<string, string>) => boolean;
  readonly onTransition?: (change: Change, view: TransitionView) => void;
}

const MINUTE_S = 60;
const COMPACT_S = 600;
const KEPT = 500;
/** Skips the minutes missed while, say, a laptop slept. */
const MAX_BEHIND_S = 33 * 86_400;

export function createEngine(options: EngineOptions): Engine {
  const { store } = options;
  const watches = new Map<number, Watch>();
  const transitions: (TransitionView & { readonly monitor: number })[] = [];
  const webhooks: WebhookView[] = [];
  let evaluated = Math.floor(options.now / MINUTE_S) * MINUTE_S;
  let events = 0;
  let running: Promise<void> | undefined;

  async function evaluate(now: number): Promise<void> {
    if (now % COMPACT_S === 0) store.compact();
    for (const watch of watches.values()) for (const change of watch.evaluate(now)) await tell(change);
  }

  async function tell(change: Change): Promise<void> {
    const { watch, alert, transition, at } = change;
    const group = groupName(watch.rules?.by ?? [], alert.tags);
    const facts = factsOf(change);
    const muted = options.isMuted?.(watch.id, facts.tags) === true;
    const text = transition.told && !muted ? renderMessage(String(watch.body.message ?? ""), facts) : "";
    const handles = handlesOf(text);
    const view = { at, group, transition: transition.name, value: alert.value, notified: handles, muted };
    keep(transitions, { ...view, monitor: watch.id });
    options.onTransition?.(change, view);
    for (const handle of handles) {
      const name = webhookOf(handle);
      if (name === undefined) continue;
      const webhook = options.webhook(name);
      events += 1;
      const delivery =
        webhook === undefined
          ? { attempts: 0, answer: "there is no such webhook", delivered: false }
          : await options.deliver(
              fillWebhook(webhook, change, events, options.variables(), text, options.webhookDate?.(at)),
            );
      keep(webhooks, { at, name, monitor: String(watch.body.name), group, transition: transition.name, ...delivery });
    }
  }

  async function advanceTo(now: number): Promise<void> {
    if (now - evaluated > MAX_BEHIND_S) evaluated = Math.floor((now - MAX_BEHIND_S) / MINUTE_S) * MINUTE_S;
    if (watches.size === 0) {
      // Nothing is evaluated: a clock that is moved over months need not pass each minute.
      evaluated = Math.max(evaluated, Math.floor(now / MINUTE_S) * MINUTE_S);
      return;
    }
    while (evaluated + MINUTE_S <= now) {
      evaluated += MINUTE_S;
      await evaluate(evaluated);
    }
  }

  return {
    async advance(now) {
      // One after another, so that no minute is evaluated twice or out of order.
      while (running !== undefined) await running;
      running = advanceTo(now).finally(() => {
        running = undefined;
      });
      await running;
    },
    sync(monitors) {
      const there = new Set(monitors.map(({ id }) => id));
      for (const id of watches.keys()) if (!there.has(id)) watches.delete(id);
      for (const { id, body } of monitors)
        if (watches.get(id)?.body !== body) watches.set(id, createWatch(id, body, store, evaluated));
    },
    watches,
    transitions,
    webhooks,
  };
}

function factsOf({ watch, alert, transition, at }: Change): Parameters<typeof renderMessage>[1] {
  const { rules } = watch;
  const tags = new Map(rules?.by.map((key, index) => [key, alert.tags[index] as string]));
  return {
    transition,
    value: alert.value,
    threshold: rules?.critical ?? Number.NaN,
    warnThreshold: rules?.warning,
    tags,
    triggeredAt: transition.cycle,
    now: at,
  };
}

/** Newest first, and not more than are of use. */
function keep<T>(list: T[], entry: T): void {
  list.unshift(entry);
  if (list.length > KEPT) list.length = KEPT;
}
