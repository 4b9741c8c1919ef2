import { createEngine } from "../../src/sandbox/engine.ts";
import { createSeriesStore, type MetricType } from "../../src/sandbox/series/series.ts";
import { deliver, type Webhook, type WebhookRequest } from "../../src/sandbox/webhook.ts";

/** 2026-11-02 09:00 UTC, a Monday. */
export const START = Date.UTC(2026, 10, 2, 9) / 1_000;

interface StageOptions {
  readonly start?: number;
  readonly historical?: readonly string[];
  readonly webhook?: Webhook;
  readonly variables?: ReadonlyMap<string, string>;
  /** What each try of a webhook is answered; 200 when used up. */
  readonly answers?: (number | "nothing")[];
  readonly isMuted?: (monitor: number, tags: ReadonlyMap<string, string>) => boolean;
}

/** Series and an engine on a clock that stands until it is moved. Times are in minutes since the start. */
export function createStage(options: StageOptions = {}) {
  const start = options.start ?? START;
  let now = start;
  const store = createSeriesStore({
    now: () => now,
    isHistorical: (name) => options.historical?.includes(name) === true,
  });
  const lines: string[] = [];
  const requests: WebhookRequest[] = [];
  const waits: number[] = [];
  const engine = createEngine({
    store,
    now,
    webhook: (name) => (options.webhook ? { ...options.webhook, name } : undefined),
    variables: () => options.variables ?? new Map(),
    ...(options.isMuted && { isMuted: options.isMuted }),
    deliver: (request) =>
      deliver(
        request,
        async (one) => {
          requests.push(one);
          const answer = options.answers?.shift() ?? 200;
          if (answer === "nothing") throw new Error("no answer");
          return answer;
        },
        async (attempt) => void waits.push(attempt),
      ),
    onTransition(_, { at, group, transition }) {
      lines.push(`${(at - start) / 60} ${group} ${transition}`);
    },
  });
  return {
    store,
    engine,
    lines,
    requests,
    waits,
    set now(minutes: number) {
      now = start + minutes * 60;
    },
    /** Writes a point at a minute of the stage, whatever its clock shows. */
    write(metric: string, minute: number, value: number, tags: readonly string[] = [], type: MetricType = "count") {
      store.write(metric, type, tags.join(), () => tags, start + minute * 60, value);
    },
    /** Watches a monitor; options override the default of no delay for new groups. */
    watch(query: string, monitorOptions: object = {}, message = "") {
      const body = {
        type: "query alert",
        name: "m",
        query,
        message,
        tags: ["team:search"],
        options: { new_group_delay: 0, ...monitorOptions },
      };
      engine.sync([{ id: 7, body }]);
    },
    /** Lets time pass to a minute; `at` is called before each minute is evaluated. */
    async run(to: number, at: (minute: number) => void = () => {}) {
      for (let minute = (now - start) / 60; minute < to; minute += 1) {
        now = start + minute * 60;
        at(minute);
        now = start + (minute + 1) * 60;
        await engine.advance(now);
      }
    },
    get refused() {
      return engine.watches.get(7)?.refused;
    },
    /** The value that a group was last evaluated to. */
    value(group = ""): number | undefined {
      return engine.watches.get(7)?.alerts.get(group)?.value;
    },
  };
}
