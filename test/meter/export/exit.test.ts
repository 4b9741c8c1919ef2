import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { newStateDir, removeStateDirs, startExporting } from "../../fixtures/exporting.ts";
import { untilArrived } from "../../package/leftovers.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../../servers/otlp-receiver.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures");
const COST = "spendfuse.cost";

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

let receiver: OtlpReceiver;
let stateDir: string;

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  stateDir = newStateDir();
});

afterEach(() => receiver.close());
afterAll(removeStateDirs);

/** Runs the app to its end; `signal` is sent as soon as it is ready. */
function run(
  way: string,
  env: Record<string, string> = {},
  signal?: NodeJS.Signals,
  file = "exit-app.ts",
): Promise<End> {
  const { PATH = "", NODE_COMPILE_CACHE = "" } = process.env;
  const child = spawn(process.execPath, [join(FIXTURES, file), way], { env: { PATH, NODE_COMPILE_CACHE, ...env } });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
    if (signal && stdout.includes("ready\n")) {
      child.kill(signal);
      signal = undefined;
    }
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  return new Promise((resolve) => {
    child.on("close", (code, ended) => resolve({ code, signal: ended, stdout, stderr }));
  });
}

const withUs = (): Record<string, string> => ({ OTLP_URL: receiver.url, STATE_DIR: stateDir });

function left(): readonly string[] {
  const dir = join(stateDir, "spool");
  return existsSync(dir) ? readdirSync(dir) : [];
}

/** What starts next, spends nothing, and sends what was left. */
async function nextStart(): Promise<void> {
  const { exporter, slot } = startExporting({ url: receiver.url, stateDir, traces: true });
  await exporter.flush();
  exporter.stop();
  slot.release();
}

/** The money of both intervals, once, and the span. */
async function expectEverything(nano = 11): Promise<void> {
  await untilArrived(stateDir, () => receiver.total(COST) >= nano && receiver.spans.length === 1, nextStart);
  expect(receiver.total(COST)).toBe(nano);
  expect(receiver.total("spendfuse.calls")).toBe(nano === 111 ? 3 : 2);
  expect(receiver.points("gen_ai.client.inference.duration").reduce((sum, { count = 0 }) => sum + count, 0)).toBe(
    nano === 111 ? 3 : 2,
  );
}

describe("the process ends as it would without us, and the last interval arrives once", () => {
  const ways: readonly [way: string, signal?: NodeJS.Signals][] = [
    ["natural"],
    ["natural, with an exit code"],
    ["natural, with a listener of beforeExit"],
    ["natural, with a listener of beforeExit for once"],
    ["process.exit"],
    ["process.exit in a listener of exit"],
    ["process.exit while a flush is under way"],
    ["process.exit between two steps of a flush"],
    ["uncaught error"],
    ["uncaught error that is handled"],
    ["unhandled rejection"],
    ["a top-level await that never ends"],
    ["signal", "SIGTERM"],
    ["signal", "SIGINT"],
    ["signal", "SIGHUP"],
    ["signal, with a listener that exits", "SIGTERM"],
    ["signal, with a listener that exits", "SIGINT"],
    ["signal, with a listener that goes on", "SIGTERM"],
    ["signal, with a listener that was removed again", "SIGTERM"],
    ["signal, with all listeners removed", "SIGTERM"],
    ["signal, with a listener for once, twice", "SIGTERM"],
    ["signal, with a library that counts listeners", "SIGTERM"],
    ["signal, with a library that counts listeners", "SIGINT"],
    ["process.exit, with a library that counts listeners"],
  ];

  for (const [way, signal] of ways) {
    test(signal ? `${way}: ${signal}` : way, async () => {
      const [without, ours] = await Promise.all([run(way, {}, signal), run(way, withUs(), signal)]);
      expect(ours).toEqual(without);
      await expectEverything();
    });
  }

  test("signal, just before there is a listener: it is not swallowed", async () => {
    const end = await run("signal, just before there is a listener", withUs());
    expect(end).toMatchObject({ code: 7, signal: null });
    await expectEverything();
  });

  test("natural, with more work at beforeExit", async () => {
    const end = await run("natural, with more work at beforeExit", withUs());
    expect(end).toMatchObject({ code: 0, stdout: "ready\n", stderr: "" });
    await expectEverything(111);
  });
});

describe("a receiver in trouble does not hold the process", () => {
  test("one that does not answer: a natural end does not wait for it, and the next start sends", async () => {
    receiver.answer(() => ({ hang: true }));
    // As long as this whole test may take: were it waited for, the process would not end.
    const ours = await run("natural", { ...withUs(), NO_FLUSH: "1", TIMEOUT_MS: "3600000" });
    expect(ours).toMatchObject({ code: 0, stdout: "ready\ndone\n" });
    receiver.answer(() => ({}));
    await expectEverything();
  });

  test("one that is down: nothing is delayed, and everything waits on disk", async () => {
    await receiver.close();
    const ours = await run("natural", { ...withUs(), NO_SENDER: "1" });
    expect(ours.code).toBe(0);
    expect(left().length).toBeGreaterThan(0);
    receiver = await startOtlpReceiver(Number(new URL(receiver.url).port));
    await run("natural", { ...withUs(), NO_SENDER: "1" });
    await untilArrived(stateDir, () => receiver.total(COST) === 22, nextStart);
  });
});

describe("the sender", () => {
  /** Longer than any machine needs. */
  const PATIENT = { SENDER_MS: "60000" };

  for (const [way, signal] of [["process.exit"], ["uncaught error"], ["signal", "SIGTERM"]] as const) {
    test(`where it would be killed with us, it is waited for: ${way}`, async () => {
      const without = await run(way, {}, signal);
      const ours = await run(way, { ...withUs(), ...PATIENT, WAIT: "1" }, signal);
      expect(ours).toEqual(without);
      expect(receiver.total(COST)).toBe(11);
    });
  }

  test("it is not waited for longer than it has", async () => {
    // Were it, the process would not end.
    receiver.answer(() => ({ hang: true }));
    const ours = await run("process.exit", { ...withUs(), NO_FLUSH: "1", WAIT: "1", TIMEOUT_MS: "3600000" });
    expect(ours.code).toBe(3);
    expect(left()).toHaveLength(2);
    receiver.answer(() => ({}));
    await expectEverything();
  });

  test("elsewhere it is left behind, and sends", async () => {
    await run("process.exit", { ...withUs(), ...PATIENT });
    await receiver.until(() => receiver.total(COST) === 11 && receiver.spans.length === 1);
    await receiver.until(() => left().length === 0);
  });

  test("switched off, what is left waits for the next start", async () => {
    await run("process.exit", { ...withUs(), NO_SENDER: "1" });
    expect(receiver.total(COST)).toBe(1);
    expect(left().filter((file) => file.includes(".metrics."))).toHaveLength(1);
    await expectEverything();
  });

  test("its secrets are not among its arguments, and what it has nothing to do with is not in its environment", async () => {
    let shown: { args: string; env: string } | undefined;
    receiver.answer(() => {
      shown ??= lookAtSender();
      return {};
    });
    await run("process.exit", {
      ...withUs(),
      ...PATIENT,
      NODE_OPTIONS: "--no-warnings",
      PRIVATE: "of the app",
      https_proxy: "http://proxy",
    });
    await receiver.until(() => receiver.total(COST) === 11);
    if (process.platform !== "linux") return;
    expect(shown?.args).toContain("sender.ts");
    expect(shown?.args).not.toContain("secret");
    expect(shown?.env).toContain("https_proxy");
    expect(shown?.env).not.toMatch(/PRIVATE|NODE_OPTIONS/);
  });
});

/** The sender that is running now, as /proc shows it. */
function lookAtSender(): { args: string; env: string } | undefined {
  for (const pid of process.platform === "linux" ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : []) {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (args.includes("sender.ts") && args.includes(stateDir)) {
        return { args, env: readFileSync(`/proc/${pid}/environ`, "utf8") };
      }
    } catch {
      // Gone meanwhile.
    }
  }
  return undefined;
}

describe("worker threads", () => {
  test("each has a slot of its own and sends its own last interval", async () => {
    const end = await run("", withUs(), undefined, "worker-app.ts");
    expect(end).toMatchObject({ code: 0, stderr: "" });
    await untilArrived(stateDir, () => receiver.total(COST) === 111, nextStart);
    expect(
      receiver
        .points(COST)
        .map(({ tags }) => tags.process)
        .sort(),
    ).toEqual(["host-0", "host-1", "host-2"]);
  });
});

describe("a call inside a span of somebody else's that has not ended: a span of ours has its cost", () => {
  const app = (way: string, signal?: NodeJS.Signals) => run(way, {}, signal, "open-span-app.ts");

  test.each<[way: string, signal?: NodeJS.Signals]>([["natural"], ["process.exit"], ["signal", "SIGTERM"]])(
    "%s",
    async (way, signal) => {
      const end = await app(way, signal);
      expect(end).toMatchObject({ code: 0, signal: null, stdout: "ready\nspendfuse 0.00225\n" });
    },
  );

  test("natural, with the span ended at exit", async () => {
    const end = await app("natural, with the span ended at exit");
    expect(end.stdout).toBe("ready\nspendfuse 0.00225\nsdk undefined\n");
  });

  test("flush, then killed", async () => {
    const end = await app("flush, then killed");
    expect(end).toMatchObject({ signal: "SIGKILL", stdout: "ready\nspendfuse 0.00225\n" });
  });
});

describe("beside a NodeSDK of the user's", () => {
  for (const way of ["before", "after", "at the end"]) {
    test(`started ${way}: its own metrics arrive, and ours once`, async () => {
      const theirs = await startOtlpReceiver();
      const env = { ...withUs(), OTEL_EXPORTER_OTLP_ENDPOINT: theirs.url, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" };
      const delta = { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "delta", OTEL_LOGS_EXPORTER: "none" };
      const end = await run(way, { ...env, ...delta }, undefined, "node-sdk-app.ts");
      expect(end).toMatchObject({ code: 0, stderr: "" });
      expect(theirs.total("app.orders")).toBe(1);
      expect(theirs.spans.map(({ name }) => name)).toEqual(["order"]);
      expect([theirs.total(COST), receiver.total(COST)]).toEqual(way === "after" ? [110, 1] : [111, 0]);
      await theirs.close();
    });
  }
});
