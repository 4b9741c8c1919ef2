import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Content } from "../encoder.ts";
import type { Endpoint, Target } from "../endpoint.ts";
import { isRunning, type ProcessId } from "./processes.ts";

/**
 * Exports that were not taken yet, one file each, shared by all processes of a user. They are sent again just as they
 * are, with their own timestamps and tags, so that the receiver replaces and does not add.
 */
export interface Spool {
  /** Keeps an export. False when it could not be written. Synchronous: it must work while the process ends. */
  write(content: Content, second: number): boolean;
  /** The oldest export that nobody is sending, now ours to send; undefined when there is none. */
  claim(): Claim | undefined;
  /** Takes back what processes that have died were about to send. */
  recover(): void;
  /** Exports for our endpoint that wait to be sent. */
  pending(): number;
}

export interface Claim {
  readonly content: Content;
  /** It was sent. */
  done(): void;
  /** It can be sent later. */
  release(): void;
  /** It was refused; false when that was the last time, and it will never be sent. */
  refused(): boolean;
}

export interface SpoolOptions {
  readonly dir: string;
  readonly endpoint: Endpoint;
  readonly process: ProcessId;
  /** Bytes of all files together; the oldest go first. */
  readonly maxBytes: number;
  /** Told how many exports were lost because there was no room, or because they could not be read. */
  readonly lost: (exports: number) => void;
}

/** `<second>-<spool>-<number>.<signal>.<owner>.<refusals>`, then `~<pid>~<beginning>` while somebody sends it. */
const NAME = /^(\d+-\d+-\d+)\.(metrics|traces)\.([0-9a-f]{12})\.(\d+)(?:~(\d+)~(\w*))?$/;
const DEAD = ".dead";
const PART = ".part";
/** A receiver's refusal may be a wrong key that is put right, or a batch that it will never take. */
const MAX_REFUSALS = 3;

export function createSpool(options: SpoolOptions): Spool {
  const { dir, maxBytes, lost } = options;
  const owners = { metrics: ownerOf(options.endpoint.metrics), traces: ownerOf(options.endpoint.traces) };
  const mark = `~${options.process.pid}~${options.process.began}`;
  // Threads, and copies of this package, share the pid.
  const id = Math.floor(Math.random() * 1e12);
  let number = 0;

  const move = (from: string, to: string): boolean => succeeds(() => renameSync(join(dir, from), join(dir, to)));

  return {
    write(content, second) {
      return succeeds(() => {
        mkdirSync(dir, { recursive: true, mode: 0o700 });
        const bytes = Buffer.from(JSON.stringify(content.data));
        makeRoom(bytes.length);
        const name = `${second}-${id}-${number++}.${content.signal}.${owners[content.signal]}.0`;
        writeFileSync(join(dir, name + PART), bytes, { mode: 0o600 });
        renameSync(join(dir, name + PART), join(dir, name));
      });
    },
    claim() {
      for (const file of waiting()) {
        // Whoever renames it first has it.
        if (!move(file, file + mark)) continue;
        const content = read(file + mark);
        if (content) return createClaim(content, file);
        lost(1);
        move(file + mark, file + DEAD);
      }
      return undefined;
    },
    recover() {
      for (const file of list()) {
        const [, , , , , pid, began = ""] = NAME.exec(file) ?? [];
        if (pid === undefined || isRunning({ pid: Number(pid), began })) continue;
        move(file, file.slice(0, file.indexOf("~")));
      }
    },
    pending: () => waiting().length,
  };

  function createClaim(content: Content, file: string): Claim {
    const refusals = Number(/\d+$/.exec(file)![0]) + 1;
    return {
      content,
      done: () => void succeeds(() => unlinkSync(join(dir, file + mark))),
      release: () => void move(file + mark, file),
      refused() {
        const again = refusals < MAX_REFUSALS;
        move(file + mark, again ? file.replace(/\d+$/, String(refusals)) : file + DEAD);
        return again;
      },
    };
  }

  function read(file: string): Content | undefined {
    try {
      const signal = NAME.exec(file)![2];
      return { signal, data: JSON.parse(readFileSync(join(dir, file), "utf8")) } as Content;
    } catch {
      return undefined;
    }
  }

  /** Exports for our own endpoint and credentials, the oldest first: another's are not ours to send. */
  function waiting(): readonly string[] {
    return list().filter((file) => {
      const [, , signal, owner, , claimedBy] = NAME.exec(file) ?? [];
      return claimedBy === undefined && owner !== undefined && owner === owners[signal as Content["signal"]];
    });
  }

  function list(): readonly string[] {
    try {
      // The second that begins a name has as many digits in all of them.
      return readdirSync(dir).sort();
    } catch {
      return [];
    }
  }

  function makeRoom(needed: number): void {
    const files = list().map((file) => ({ file, size: sizeOf(join(dir, file)) }));
    let total = needed + files.reduce((sum, { size }) => sum + size, 0);
    let dropped = 0;
    for (const { file, size } of files) {
      if (total <= maxBytes) break;
      if (!succeeds(() => unlinkSync(join(dir, file)))) continue;
      total -= size;
      if (NAME.test(file)) dropped += 1;
    }
    if (dropped > 0) lost(dropped);
  }
}

/** Where an export may go: the same address with the same credentials. A hash, because it is part of a file's name. */
function ownerOf(target: Target | undefined): string {
  if (target === undefined) return "";
  const { createHash } = process.getBuiltinModule("node:crypto");
  const identity = JSON.stringify([target.url, Object.entries(target.headers).sort()]);
  return createHash("sha256").update(identity).digest("hex").slice(0, 12);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Other processes work in the same directory: a file may be gone at any moment. */
function succeeds(change: () => void): boolean {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}
