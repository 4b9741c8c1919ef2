import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Content } from "../../../src/meter/export/encoder.ts";
import type { Endpoint } from "../../../src/meter/export/endpoint.ts";
import { isRunning, processId } from "../../../src/meter/export/spool/processes.ts";
import { createSpool, type Spool } from "../../../src/meter/export/spool/spool.ts";
import { endpointAt, newStateDir, removeStateDirs } from "../../fixtures/exporting.ts";

afterAll(removeStateDirs);

const SECOND = 1_790_000_000;
const ME = processId(process.pid);
const content = (name: string): Content => ({ signal: "metrics", data: { name } }) as unknown as Content;
const nameOf = (spool: Spool) => (spool.claim()?.content.data as { name?: string } | undefined)?.name;

interface Stage {
  readonly dir: string;
  readonly lost: number[];
  open(more?: { endpoint?: Endpoint; maxBytes?: number; process?: typeof ME }): Spool;
}

function stage(): Stage {
  const dir = join(newStateDir(), "spool");
  const lost: number[] = [];
  const endpoint = endpointAt("http://127.0.0.1:4318", { traces: true });
  const base = { dir, endpoint, process: ME, maxBytes: 1_000_000, lost: (exports: number) => void lost.push(exports) };
  return { dir, lost, open: (more = {}) => createSpool({ ...base, ...more }) };
}

describe("what waits to be sent", () => {
  test("goes out in the order of its time, whoever wrote it, each once", () => {
    const { open } = stage();
    const [one, two] = [open(), open()];
    one.write(content("second"), SECOND + 1);
    two.write(content("third"), SECOND + 2);
    one.write(content("first"), SECOND);
    expect(one.pending()).toBe(3);
    expect([nameOf(two), nameOf(one), nameOf(two), nameOf(one)]).toEqual(["first", "second", "third", undefined]);
    expect(one.pending()).toBe(0);
  });

  test("goes to the destination that it was for, whatever the credentials", () => {
    const { open } = stage();
    open().write(content("mine"), SECOND);
    for (const endpoint of [
      endpointAt("http://127.0.0.1:4319"),
      endpointAt("http://127.0.0.1:4318", { headers: { "x-key": "secret", "x-scope-orgid": "another" } }),
      {},
    ]) {
      const other = open({ endpoint });
      expect([other.pending(), other.claim()]).toEqual([0, undefined]);
    }
    const headers = { "x-key": "put right", authorization: "Bearer another" };
    expect(nameOf(open({ endpoint: endpointAt("http://127.0.0.1:4318", { headers }) }))).toBe("mine");
  });

  test("is gone when it was sent, waits again when it was not, and is given up at the third refusal", () => {
    const { dir, open } = stage();
    const spool = open();
    spool.write(content("sent"), SECOND);
    spool.claim()!.done();
    expect(readdirSync(dir)).toEqual([]);
    spool.write(content("refused"), SECOND);
    spool.claim()!.release();
    expect(spool.pending()).toBe(1);
    expect([1, 2, 3].map(() => spool.claim()!.refused())).toEqual([true, true, false]);
    expect([spool.pending(), spool.claim()]).toEqual([0, undefined]);
    expect(readdirSync(dir)).toEqual([expect.stringMatching(/\.dead$/)]);
  });

  test("that cannot be read is said to be lost, and does not hold up the rest", () => {
    const { dir, lost, open } = stage();
    const spool = open();
    spool.write(content("broken"), SECOND);
    writeFileSync(join(dir, readdirSync(dir)[0] as string), "{");
    spool.write(content("whole"), SECOND + 1);
    expect(nameOf(spool)).toBe("whole");
    expect(lost).toEqual([1]);
  });

  test("of which a process died while it sent it is sent by the next, that of a running one is not", () => {
    const { open } = stage();
    open().write(content("of the dead"), SECOND);
    open({ process: { pid: 2 ** 22 + 1, began: "1" } }).claim();
    open().write(content("of the running"), SECOND + 1);
    open().claim();
    const next = open();
    expect(next.pending()).toBe(0);
    next.recover();
    expect([nameOf(next), nameOf(next)]).toEqual(["of the dead", undefined]);
  });
});

describe("when there is no room", () => {
  test("the oldest go, and how many is said", () => {
    const { lost, open } = stage();
    const spool = open({ maxBytes: 100 });
    const size = JSON.stringify({ name: "x".repeat(20) }).length;
    for (let n = 0; n < 5; n++) spool.write(content(String(n).repeat(20)), SECOND + n);
    const kept = Math.floor(100 / size);
    expect(spool.pending()).toBe(kept);
    expect(nameOf(spool)).toBe(String(5 - kept).repeat(20));
    expect(lost).toEqual(Array.from({ length: 5 - kept }, () => 1));
  });

  test("a write that fails says so", () => {
    const { dir, open } = stage();
    writeFileSync(dir, "a file where the folder must be");
    expect(open().write(content("x"), SECOND)).toBe(false);
    expect(readFileSync(dir, "utf8")).toContain("a file");
  });
});

describe("whether a process runs", () => {
  test("this one does", () => {
    expect(isRunning(ME)).toBe(true);
    // Where nobody can say when it began.
    expect(isRunning({ pid: process.pid, began: "" })).toBe(true);
  });

  test.skipIf(!existsSync("/proc/self/stat"))("another one with its pid does not", () => {
    expect(ME.began).toMatch(/^\d+$/);
    expect(isRunning({ pid: process.pid, began: "1" })).toBe(false);
  });

  test.each([0, -1, 0.5, Number.NaN, 2 ** 22 + 1])("nobody is %s", (pid) => {
    expect(isRunning({ pid, began: "" })).toBe(false);
  });
});
