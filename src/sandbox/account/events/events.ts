/** An event of the stream. */
export interface StoredEvent {
  readonly id: number;
  readonly title: string;
  readonly text: string;
  /** Seconds. */
  readonly at: number;
  readonly tags: readonly string[];
  readonly alertType: string;
  readonly priority: string | null;
  readonly aggregationKey: string | undefined;
  readonly source: string | undefined;
  readonly host: string | undefined;
}

/** The event stream of an account. */
export interface Events {
  /** Newest first. */
  readonly all: readonly StoredEvent[];
  add(event: Omit<StoredEvent, "id">): StoredEvent;
}

const MAX_EVENTS = 5_000;
const FIRST_ID = 6_000_001;

export function createEvents(): Events {
  let events: readonly StoredEvent[] = [];
  let next = FIRST_ID;
  return {
    get all() {
      return events;
    },
    add(event) {
      const stored = { ...event, id: next };
      next += 1;
      events = [stored, ...events].sort((a, b) => b.at - a.at).slice(0, MAX_EVENTS);
      return stored;
    },
  };
}

/** What sent an event: its source type, and its tags `source:`. */
export function sourcesOf({ source, tags }: StoredEvent): readonly string[] {
  const own = tags.filter((tag) => tag.startsWith("source:")).map((tag) => tag.slice("source:".length));
  return source === undefined ? own : [source, ...own];
}
