import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, type TestContext, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { run } from "../package/processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const url = (path: string): string => pathToFileURL(join(ROOT, path)).href;
const SOURCES = join(import.meta.dirname, "undici");

interface Vendor {
  readonly host: string;
  readonly url: string;
  readonly proxy: string;
  close(): void;
}
interface Visit {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: string;
}
interface Played {
  readonly outcome: unknown;
  readonly wire: readonly Visit[];
  readonly problems: readonly string[];
  /** How the calls end; null where that is not said. */
  readonly expected: readonly string[] | null;
  readonly calls: readonly {
    readonly ending: string;
    readonly quality: string;
    readonly usage?: { readonly input: number };
  }[];
}
type Mode = "bare" | "metered" | "held" | "refused";
type Behaviours = Readonly<Record<string, Played>>;

/** Plays what undici documents on a release of Node. */
async function play(context: TestContext, node: string | undefined, mode: Mode, major: number): Promise<Behaviours> {
  const app = await needApp(context, "undici");
  const release = node && join(await needApp(context, node, { scripts: true }), "node_modules/node/bin/node");
  // What a program imports is looked for beside it; another run may play at the same time.
  const folder = mkdtempSync(join(app, "run-"));
  cpSync(SOURCES, folder, { recursive: true });
  const state = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const { startVendor } = (await import(url("test/real/undici/vendor.mjs"))) as { startVendor(): Promise<Vendor> };
  const vendor = await startVendor();
  const ours = mode === "bare" ? [] : ["--import", url("src/register.ts")];
  // An approver that takes its time holds each call, which then passes.
  const budgets = mode === "held" || mode === "refused" ? [{ name: "none at all", per: "hour", calls: 0 }] : [];
  const strip = node === "node-22" ? ["--experimental-strip-types"] : [];
  const seen = join(state, "seen.json");
  try {
    const program = join(folder, "program.mjs");
    await run(release ?? process.execPath, ["--no-warnings", ...strip, ...ours, program, mode, String(major)], {
      cwd: folder,
      env: {
        NODE_ENV: undefined,
        SPENDFUSE_TEST_INDEX: url("src/index.ts"),
        SPENDFUSE_STATE_DIR: state,
        SPENDFUSE_QUIET: "1",
        SPENDFUSE_CONFIG: JSON.stringify({ hosts: [{ host: vendor.host, provider: "openai" }], budgets }),
        VENDOR: vendor.url,
        PROXY: vendor.proxy,
        SEEN: seen,
      },
    });
    return JSON.parse(readFileSync(seen, "utf8")) as Behaviours;
  } finally {
    vendor.close();
    rmSync(folder, { recursive: true, force: true });
    rmSync(state, { recursive: true, force: true });
  }
}

const shown = ({ outcome, problems, wire }: Played): object => ({ outcome, problems, wire });

/** While a call is held its stream may end, so that its length is known; one that is aborted then is not sent at all. */
const shownHeld = ({ outcome, problems, wire }: Played): object => ({
  outcome,
  problems,
  wire: wire
    .filter(({ path }) => !path.startsWith("/never/"))
    .map(({ method, path, body }) => ({ method, path, body })),
});

function isMeteredRight({ expected, calls }: Played): boolean {
  const endings = calls.map(({ ending }) => ending).sort();
  return expected === null || JSON.stringify(endings) === JSON.stringify([...expected].sort());
}

function isRefusedRight({ expected, calls, wire, problems }: Played): boolean {
  const sent = wire.filter(({ path }) => path.endsWith("/v1/chat/completions"));
  const isCall = expected === null ? calls.length > 0 : expected.length > 0;
  if (!isCall) return problems.length === 0;
  return (
    problems.length === 0 && sent.length === 0 && calls.length > 0 && calls.every((call) => call.ending === "blocked")
  );
}

const namesOf = (behaviours: Behaviours, isRight: (played: Played) => boolean): string[] =>
  Object.keys(behaviours).filter((name) => isRight(behaviours[name] as Played));

const NODES = [
  ["Node 22.15", "node-22"],
  ["Node 24", "node-24"],
  [`Node ${process.version}`, undefined],
] as const;
/** Version 8 needs a later Node than 22.15. */
const MAJORS = [5, 6, 7, 8];
const CASES = NODES.flatMap(([name, node]) =>
  MAJORS.filter((major) => major < 8 || node !== "node-22").map((major) => ({ name, node, major })),
);

describe.each(CASES)("undici $major on $name", ({ name, node, major }) => {
  // Some behaviours race with a timer: on a busy machine even two bare runs may differ. What we change differs each time.
  test("behaves as without us, and each call is metered once", { retry: 2 }, async (context) => {
    const [bare, ours, held] = await Promise.all([
      play(context, node, "bare", major),
      play(context, node, "metered", major),
      play(context, node, "held", major),
    ]);
    const names = Object.keys(bare);
    const same = names.filter((key) => {
      expect.soft({ [key]: shown(ours[key] as Played) }).toEqual({ [key]: shown(bare[key] as Played) });
      expect.soft({ [key]: shownHeld(held[key] as Played) }).toEqual({ [key]: shownHeld(bare[key] as Played) });
      return (
        JSON.stringify(shown(ours[key] as Played)) === JSON.stringify(shown(bare[key] as Played)) &&
        JSON.stringify(shownHeld(held[key] as Played)) === JSON.stringify(shownHeld(bare[key] as Played))
      );
    });
    const metered = namesOf(ours, isMeteredRight);
    console.log(
      `undici ${major}, ${name}: ${same.length} of ${names.length} as without us, ${metered.length} of ${names.length} metered right`,
    );
    expect(names.length).toBeGreaterThan(80);
    expect(names.filter((key) => !metered.includes(key)).map((key) => [key, ours[key]?.calls])).toEqual([]);
    expect(namesOf(held, isMeteredRight)).toEqual(names);
  });

  test("is refused before anything is sent, in a shape that it takes", async (context) => {
    const refused = await play(context, node, "refused", major);
    const right = namesOf(refused, isRefusedRight);
    const names = Object.keys(refused);
    console.log(`undici ${major}, ${name}: ${right.length} of ${names.length} refused right`);
    expect(names.filter((key) => !right.includes(key)).map((key) => [key, refused[key]])).toEqual([]);
    expect(refused["request: string"]?.outcome).toMatchObject({ statusCode: 402 });
    expect(refused["fetch: string"]?.outcome).toMatchObject({ status: 402 });
  });
});
