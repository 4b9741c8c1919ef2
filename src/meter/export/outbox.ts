import type { Deliver, Outcome } from "./delivery.ts";
import type { Content } from "./encoder.ts";
import type { PostLimits } from "./post.ts";
import type { Spool } from "./spool/spool.ts";

/** Exports on their way. Each stays here until the receiver or the spool has it: there is no other copy. */
export interface Outbox {
  /** `second` is that of its timestamps. */
  add(content: Content, second: number): void;
  /** Sends everything; what is not accepted goes to the spool. True when all was accepted. */
  drain(deliver: Deliver, limits: PostLimits): Promise<boolean>;
  /** Spools everything at once, also what is being sent: a repeated export replaces itself. */
  save(): void;
  readonly size: number;
}

export interface OutboxEvents {
  /** An export was not accepted, but nothing is lost yet. */
  failed(outcome: Exclude<Outcome, { type: "sent" }>): void;
  /** Points or spans that the receiver rejected for good. */
  rejected(items: number, reason: string): void;
  /** Exports that could neither be sent nor kept. */
  lost(exports: number): void;
}

interface Entry {
  readonly content: Content;
  readonly second: number;
}

/** Exports kept in memory where there is no spool. */
const MAX_KEPT = 50;

export function createOutbox(spool: Spool | undefined, events: OutboxEvents): Outbox {
  let entries: Entry[] = [];

  const keep = ({ content, second }: Entry): boolean => spool?.write(content, second) === true;

  return {
    add(content, second) {
      entries.push({ content, second });
    },
    async drain(deliver, limits) {
      let taken = true;
      const kept: Entry[] = [];
      for (let entry = entries[0]; entry !== undefined; entry = entries[0]) {
        // After one failure the others need not wait for their own.
        const outcome = taken ? await deliver(entry.content, limits) : undefined;
        // Saved meanwhile, by a signal that did not end the process.
        if (entries[0] !== entry) continue;
        if (outcome !== undefined && outcome.type !== "sent") {
          taken = false;
          events.failed(outcome);
        }
        if (outcome?.type === "sent") {
          if (outcome.reason !== "") events.rejected(outcome.rejected, outcome.reason);
        } else if (!keep(entry)) kept.push(entry);
        entries.shift();
      }
      entries = [...kept.slice(-MAX_KEPT), ...entries];
      if (kept.length > MAX_KEPT) events.lost(kept.length - MAX_KEPT);
      return taken;
    },
    save() {
      const saved = entries;
      entries = saved.filter((entry) => !keep(entry));
    },
    get size() {
      return entries.length;
    },
  };
}
