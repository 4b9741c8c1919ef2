import { emitKeypressEvents } from "node:readline";
import { type Config, readCommandConfig } from "../../../config/config.ts";
import { readDuration } from "../../../core/period.ts";
import { eitherOf, isSharedStore, SHARED_STORE_FORMS } from "../../../stores/addresses.ts";
import { createLiveLines } from "../../../terminal/live.ts";
import { createStyle } from "../../../terminal/style.ts";
import { type Desk, openDesk } from "../breaker/desk.ts";
import { usage } from "../command.ts";
import { TOP_GROUPINGS, type Values } from "../top.ts";
import {
  drawBoard,
  FIRST_VIEW,
  type Line,
  linesOf,
  nextView,
  type Order,
  type Readings,
  withReading,
} from "./board.ts";
import { openOtlpSource } from "./otlp-source.ts";
import type { Grouping, Source } from "./source.ts";
import { openStoreSource } from "./store-source.ts";

const OTLP_PORT = 4318;
const MIN_EVERY_MS = 200;

/** Shows the board until it is ended. Resolves to the exit code. */
export async function run(values: Values, words: readonly string[]): Promise<number> {
  const by = readGrouping(values.by ?? "agent");
  const every = values.every === undefined ? 1_000 : readDuration(values.every);
  if (every === undefined || every < MIN_EVERY_MS) throw usage("--every must be a time such as 2s, of 200ms or more");
  const config = readCommandConfig((message) => console.error(`spendfuse top: ${message}`));
  const store = values.store ?? config.store;
  const source = await openSource(values, words, store, by);
  const desk = await openDeskFor(values, config, store);
  try {
    if (values.json) return await printJson(source, by, values.once === true ? undefined : every);
    if (values.once || !process.stdout.isTTY) return await printOnce(source, desk, by);
    return await show(source, desk, by, every);
  } finally {
    await source.close();
    await desk?.close();
  }
}

async function openSource(
  { listen, store: named }: Values,
  words: readonly string[],
  store: string | undefined,
  by: Grouping,
): Promise<Source> {
  if (listen) {
    if (named !== undefined) throw usage("--listen excludes --store: choose one");
    const port = words[0] === undefined ? OTLP_PORT : Number(words[0]);
    if (words.length > 1 || !Number.isInteger(port) || port < 0 || port > 65_535)
      throw usage(`--listen takes a port from 0 to 65535, not "${words.join(" ")}"`);
    const source = await openOtlpSource(port, by);
    console.error(`spendfuse top: start agents with OTEL_EXPORTER_OTLP_ENDPOINT=${source.url}`);
    return source;
  }
  if (words.length > 0)
    throw usage(`unexpected argument "${words[0]}": a word is taken after --listen only, as its port`);
  if (store === undefined || !isSharedStore(store))
    throw usage(
      `name the store of your processes (${eitherOf(SHARED_STORE_FORMS)}) with --store or SPENDFUSE_STORE; or receive their metrics with --listen`,
    );
  return await openStoreSource(store, by, Date.now);
}

/** What trips and resets: the store, or a breaker; undefined where there is neither. */
async function openDeskFor({ url }: Values, config: Config, store: string | undefined): Promise<Desk | undefined> {
  if (url === undefined && store !== undefined && isSharedStore(store)) return await openDesk(config, { store });
  if (url === undefined && config.breaker?.url === undefined) return undefined;
  return await openDesk(config, url === undefined ? {} : { url });
}

function readGrouping(text: string): Grouping {
  const name = text.replaceAll("-", "_");
  const found = TOP_GROUPINGS.find((one) => one === name);
  if (found === undefined) throw usage(`--by takes ${TOP_GROUPINGS.join(", ")}, not "${text}"`);
  return found;
}

/** Scopes whose circuit is not closed; none where they cannot be read, which must not end the board. */
async function openCircuits(desk: Desk | undefined): Promise<ReadonlyMap<string, string>> {
  const { circuits } = (await desk?.circuits().catch(() => undefined)) ?? { circuits: [] };
  return new Map(circuits.filter(({ state }) => state !== "closed").map(({ scope, state }) => [scope, state]));
}

async function printOnce(source: Source, desk: Desk | undefined, by: Grouping): Promise<number> {
  const lines = linesOf(withReading([], await source.read(), Date.now()), await openCircuits(desk), by);
  const frame = { title: source.title, by, style: createStyle(process.stdout), height: undefined };
  console.log(drawBoard(FIRST_VIEW, lines, frame).join("\n"));
  return 0;
}

/** @param every Milliseconds; undefined for one reading. */
async function printJson(source: Source, by: Grouping, every: number | undefined): Promise<number> {
  const stop = stopped();
  for (let readings: Readings = []; ; ) {
    readings = withReading(readings, await source.read(), Date.now());
    const rows = linesOf(readings, new Map(), by).map(({ name, calls, tokens, nano, inexact, pace }) => ({
      ...{ [by]: name, calls, tokens, costUsd: nano / 1e9, usdPerMinute: pace / 1e9, inexactCalls: inexact },
    }));
    console.log(JSON.stringify({ at: new Date().toISOString(), rows }));
    if (every === undefined || (await Promise.race([stop, after(every)])) === "stop") return 0;
  }
}

async function show(source: Source, desk: Desk | undefined, by: Grouping, every: number): Promise<number> {
  const live = createLiveLines(process.stdout);
  const keys = readKeys();
  const style = createStyle(process.stdout);
  let view = FIRST_VIEW;
  let lines: readonly Line[] = [];
  let readings: Readings = [];
  let dueAt = 0;
  try {
    for (;;) {
      if (Date.now() >= dueAt) {
        dueAt = Date.now() + every;
        readings = withReading(readings, await source.read(), Date.now());
        lines = linesOf(readings, await openCircuits(desk), by);
      }
      live.draw(drawBoard(view, lines, { title: source.title, by, style, height: (process.stdout.rows || 24) - 1 }));
      const key = await keys.next(Math.max(0, dueAt - Date.now()));
      if (key === undefined) continue;
      const [next, order] = nextView(view, key, lines);
      view = next;
      if (order?.type === "quit") return 0;
      if (order !== undefined) {
        view = { ...view, message: await change(desk, by, order) };
        dueAt = 0;
      }
    }
  } finally {
    keys.close();
    live.clear();
  }
}

async function change(
  desk: Desk | undefined,
  by: Grouping,
  { verb, name }: Extract<Order, { type: "change" }>,
): Promise<string> {
  if (desk === undefined) return `cannot ${verb}: name a breaker with --url, or a store`;
  if (by === "model") return `a circuit belongs to an agent, a team or a project: use --by agent`;
  try {
    const changed = await desk.change(verb, { scope: `${by}:${name}`, reason: "spendfuse top" });
    return `${changed.scope}: ${changed.state} (${changed.why})`;
  } catch (error) {
    return `cannot ${verb} ${name}: ${(error as Error).message}`;
  }
}

/** Keys of the terminal, by their names; those of letters as they are typed. */
function readKeys() {
  const waiting: string[] = [];
  let wake: (() => void) | undefined;
  const onKey = (text: string | undefined, { name, ctrl, sequence }: KeyPress): void => {
    const printed = text !== undefined && text.length === 1 && text >= " " && text !== "\x7f";
    waiting.push(ctrl && name === "c" ? "ctrl-c" : printed ? text : (name ?? sequence ?? ""));
    wake?.();
  };
  const input = process.stdin;
  emitKeypressEvents(input);
  if (input.isTTY) input.setRawMode(true);
  input.on("keypress", onKey);
  return {
    /** The next key; undefined after `ms`. */
    async next(ms: number): Promise<string | undefined> {
      if (waiting.length === 0)
        await Promise.race([
          after(ms),
          new Promise<void>((resolve) => {
            wake = resolve;
          }),
        ]);
      return waiting.shift();
    },
    close(): void {
      input.off("keypress", onKey);
      if (input.isTTY) input.setRawMode(false);
      input.pause();
    },
  };
}

interface KeyPress {
  readonly name?: string;
  readonly ctrl?: boolean;
  readonly sequence?: string;
}

function after(ms: number): Promise<"time"> {
  return new Promise((resolve) => setTimeout(resolve, ms, "time"));
}

function stopped(): Promise<"stop"> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve("stop"));
  });
}
