import { join } from "node:path";
import type { Content } from "../encoder.ts";
import type { Endpoint, Target } from "../endpoint.ts";
import { isRunning, type ProcessId } from "./processes.ts";

const { mkdirSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } =
  process.getBuiltinModule("node:fs");

/**
 * Exports that were not accepted yet, one file each, shared by all processes of a user. They are resent unchanged, with
 * their original timestamps and tags, so that the receiver replaces points instead of adding them.
 */
export interface Spool {
  /** Writes an export. False when that failed. Synchronous: it must work while the process exits. */
  write(content: Content, second: number): boolean;
  /** Claims the oldest export that no process is sending; undefined when there is none. */
  claim(): Claim | undefined;
  /** Releases the claims of processes that have died. */
  recover(): void;
  /** Unclaimed exports for our endpoint. */
  pending(): number;
}

export interface Claim {
  readonly content: Content;
  /** It was accepted: deletes it. */
  done(): void;
  /** Gives the claim up, for another attempt later. */
  release(): void;
  /** It was refused. False when that was the last attempt, and it will never be sent. */
  refused(): boolean;
}

export interface SpoolOptions {
  readonly dir: string;
  readonly endpoint: Endpoint;
  readonly process: ProcessId;
  /** Maximum bytes of all files; the oldest are deleted first. */
  readonly maxBytes: number;
  /** Called with the number of exports deleted for lack of room, or unreadable. */
  readonly lost: (exports: number) => void;
}

/** `<second>-<spool>-<number>.<signal>.<owner>.<refusals>`, then `~<pid>~<start time>` while a process sends it. */
const NAME = /^(\d+-\d+-\d+)\.(metrics|traces)\.([0-9a-f]{12})\.(\d+)(?:~(\d+)~(\w*))?$/;
const DEAD = ".dead";
const PART = ".part";
/** A refusal may mean a wrong key, which gets corrected, or a batch that is never accepted. */
const MAX_REFUSALS = 3;

interface SpoolState {
  readonly dir: string;
  readonly maxBytes: number;
  readonly lost: (exports: number) => void;
  /** What our endpoint's files carry as owner, by signal. */
  readonly owners: Readonly<Record<Content["signal"], string>>;
  /** Ends the name of a file that this process sends. */
  readonly mark: string;
  /** Random: threads, and copies of this package, share the pid. */
  readonly id: number;
  /** Of the next file. */
  number: number;
}

export function createSpool({ dir, endpoint, process, maxBytes, lost }: SpoolOptions): Spool {
  const state: SpoolState = {
    dir,
    maxBytes,
    lost,
    owners: { metrics: ownerOf(endpoint.metrics), traces: ownerOf(endpoint.traces) },
    mark: `~${process.pid}~${process.began}`,
    id: Math.floor(Math.random() * 1e12),
    number: 0,
  };
  return {
    write: (content, second) => succeeds(() => writeExport(state, content, second)),
    claim: () => claimOldest(state),
    recover: () => recover(state),
    pending: () => waiting(state).length,
  };
}

/** Throws what the file system throws. */
function writeExport(state: SpoolState, content: Content, second: number): void {
  const { dir, id, owners } = state;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const bytes = Buffer.from(JSON.stringify(content.data));
  makeRoom(state, bytes.length);
  const name = `${second}-${id}-${state.number++}.${content.signal}.${owners[content.signal]}.0`;
  writeFileSync(join(dir, name + PART), bytes, { mode: 0o600 });
  renameSync(join(dir, name + PART), join(dir, name));
}

function makeRoom({ dir, maxBytes, lost }: SpoolState, needed: number): void {
  const files = listFiles(dir).map((file) => ({ file, size: sizeOf(join(dir, file)) }));
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

function claimOldest(state: SpoolState): Claim | undefined {
  const { dir, mark, lost } = state;
  for (const file of waiting(state)) {
    // The first process to rename it has it.
    if (!move(dir, file, file + mark)) continue;
    const content = readExport(dir, file + mark);
    if (content) return createClaim(state, content, file);
    lost(1);
    move(dir, file + mark, file + DEAD);
  }
  return undefined;
}

function createClaim({ dir, mark }: SpoolState, content: Content, file: string): Claim {
  const refusals = Number(/\d+$/.exec(file)![0]) + 1;
  return {
    content,
    done: () => void succeeds(() => unlinkSync(join(dir, file + mark))),
    release: () => void move(dir, file + mark, file),
    refused() {
      const again = refusals < MAX_REFUSALS;
      move(dir, file + mark, again ? file.replace(/\d+$/, String(refusals)) : file + DEAD);
      return again;
    },
  };
}

function recover({ dir }: SpoolState): void {
  for (const file of listFiles(dir)) {
    const [, , , , , pid, began = ""] = NAME.exec(file) ?? [];
    if (pid === undefined || isRunning({ pid: Number(pid), began })) continue;
    move(dir, file, file.slice(0, file.indexOf("~")));
  }
}

/** Unclaimed exports for our own destination, the oldest first. */
function waiting({ dir, owners }: SpoolState): readonly string[] {
  return listFiles(dir).filter((file) => {
    const [, , signal, owner, , claimedBy] = NAME.exec(file) ?? [];
    return claimedBy === undefined && owner !== undefined && owner === owners[signal as Content["signal"]];
  });
}

function readExport(dir: string, file: string): Content | undefined {
  try {
    const signal = NAME.exec(file)![2];
    return { signal, data: JSON.parse(readFileSync(join(dir, file), "utf8")) } as Content;
  } catch {
    return undefined;
  }
}

/** The oldest first: the second that begins each name has the same number of digits. */
function listFiles(dir: string): readonly string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
}

function move(dir: string, from: string, to: string): boolean {
  return succeeds(() => renameSync(join(dir, from), join(dir, to)));
}

/**
 * Identifies a destination: an address, with the headers that choose a part of it, such as a tenant. Not the credentials:
 * what was kept for want of the right key is sent with it. A hash, because it is part of a file's name.
 */
function ownerOf(target: Target | undefined): string {
  if (target === undefined) return "";
  const { createHash } = process.getBuiltinModule("node:crypto");
  const parts = Object.entries(target.headers).filter(([name]) => !CREDENTIALS.test(name));
  const url = URL.parse(target.url);
  for (const name of [...(url?.searchParams.keys() ?? [])]) if (CREDENTIALS.test(name)) url?.searchParams.delete(name);
  const identity = JSON.stringify([url?.href ?? target.url, parts.sort()]);
  return createHash("sha256").update(identity).digest("hex").slice(0, 12);
}

const CREDENTIALS = /auth|key|token|secret|password|cookie|signature/i;

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Other processes use the same directory: a file may be gone at any moment. */
function succeeds(change: () => void): boolean {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}
