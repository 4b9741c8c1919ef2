import { join } from "node:path";
import { isRunning, processId } from "./processes.ts";

const { mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } =
  process.getBuiltinModule("node:fs");

/**
 * A small number that only this process holds on this host. It makes the `process` tag stable: the next process takes
 * it over, so that restarts do not add series.
 */
export interface Slot {
  /** `<host>-<number>`. */
  readonly name: string;
  /** The last second in which its holders exported; 0 when there is none. */
  readonly last: number;
  /** Notes that points of this second go out under the name. */
  mark(second: number): void;
  release(): void;
}

export interface SlotOptions {
  /** Undefined when there is no place to agree on slots. */
  readonly dir: string | undefined;
  readonly host: string;
  readonly pid: number;
  /** Worker threads share the pid. */
  readonly thread: number;
  readonly now: () => number;
}

/** A slot that is claimed when it is first asked for: a process that never exports anything takes none. */
export function lazySlot(options: SlotOptions): { get(): Slot; release(): void } {
  let slot: Slot | undefined;
  return {
    get() {
      slot ??= claimSlot(options);
      return slot;
    },
    release: () => slot?.release(),
  };
}

interface Held {
  readonly generation: number;
  readonly file: string;
}

/** A file that is empty for longer than this was left by a process that died while it made it. */
const MAKING_MS = 10_000;
const FREE = "free";
const MAX_RACES = 100;

/**
 * The holder of slot n is who made the file `<host>-n.<generation>` of the highest generation. A new generation can be
 * made by one process only, and no file is removed before a higher one exists: no two ever hold the same slot, however
 * they race for the slot of a dead process. The file's time is the last second exported.
 *
 * Where the directory cannot be used the name is made of the pid: right, but new at each start.
 */
export function claimSlot(options: SlotOptions): Slot {
  const { dir = "", host, pid, thread, now } = options;
  try {
    if (dir === "") throw new Error("no directory");
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const own = processId(pid);
    for (let race = 0; race < MAX_RACES; race++) {
      const slot = tryClaim(`${own.pid} ${own.began} ${thread}`);
      if (slot) return slot;
    }
  } catch {
    // Below.
  }
  return { name: `${host}-p${pid}${thread > 0 ? `-t${thread}` : ""}`, last: 0, mark() {}, release() {} };

  /** Undefined when another process was faster somewhere: the next try sees what it did. */
  function tryClaim(content: string): Slot | undefined {
    try {
      const held = list();
      let number = 0;
      while (held.has(number) && !isFree(join(dir, held.get(number)!.file), now())) number += 1;
      const before = held.get(number);
      const last = before ? secondOf(join(dir, before.file)) : 0;
      const generation = (before?.generation ?? 0) + 1;
      const path = join(dir, `${host}-${number}.${generation}`);
      writeFileSync(path, content, { flag: "wx", mode: 0o600 });
      utimesSync(path, last, last);
      // Whoever was slower than a whole life of the slot made an old generation: the highest one counts.
      if (list().get(number)?.generation === generation) {
        if (before) attempt(() => unlinkSync(join(dir, before.file)));
        return createSlot(`${host}-${number}`, path, last);
      }
      unlinkSync(path);
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (code !== "EEXIST" && code !== "ENOENT") throw error;
    }
    return undefined;
  }

  function list(): Map<number, Held> {
    const held = new Map<number, Held>();
    for (const file of readdirSync(dir)) {
      const match = file.startsWith(`${host}-`) ? /^(\d+)\.(\d+)$/.exec(file.slice(host.length + 1)) : null;
      if (!match) continue;
      const number = Number(match[1]);
      const generation = Number(match[2]);
      if (generation > (held.get(number)?.generation ?? 0)) held.set(number, { generation, file });
    }
    return held;
  }
}

function createSlot(name: string, path: string, last: number): Slot {
  let newest = last;
  const touch = (): void => utimesSync(path, newest, newest);
  return {
    name,
    last,
    mark(second) {
      newest = second;
      attempt(touch);
    },
    release() {
      attempt(() => {
        writeFileSync(path, FREE);
        touch();
      });
    },
  };
}

/** Whether no process holds the slot any more, and its last points are in the past. */
function isFree(path: string, nowMs: number): boolean {
  if (secondOf(path) >= Math.floor(nowMs / 1_000)) return false;
  const content = readFileSync(path, "latin1");
  if (content === FREE) return true;
  if (content === "") return nowMs - statSync(path).ctimeMs > MAKING_MS;
  const [pid = "", began = ""] = content.split(" ");
  return !isRunning({ pid: Number(pid), began });
}

function secondOf(path: string): number {
  return Math.floor(statSync(path).mtimeMs / 1_000);
}

function attempt(change: () => void): void {
  try {
    change();
  } catch {
    // The directory may have been cleaned away; the name stays ours in this process.
  }
}
