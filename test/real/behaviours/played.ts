import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, type TestContext } from "vitest";
import { needApp } from "../../apps/installed.ts";
import { run } from "../../package/processes.ts";

const ROOT = join(import.meta.dirname, "../../..");
const url = (path: string): string => pathToFileURL(join(ROOT, path)).href;

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
/** What came of one behaviour. */
export interface Played {
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
export type Mode = "bare" | "metered" | "held" | "refused";
export type Behaviours = Readonly<Record<string, Played>>;

/** A program of `test/real/NAME/` (`program.mjs`, `vendor.mjs`), and how it is run. */
export interface Program {
  /** The folder in `test/real/`, and the project in `test/apps/` whose packages it uses. */
  readonly folder: string;
  readonly app: string;
  /** Of its own, after the mode. */
  readonly args: readonly string[];
}

/** The releases of Node; `app`: the project that installs it. */
export const NODES: readonly { readonly name: string; readonly node: string | undefined }[] = [
  { name: "Node 22.15", node: "node-22" },
  { name: "Node 24", node: "node-24" },
  { name: `Node ${process.version}`, node: undefined },
];

/** Runs a program's behaviours on a release of Node. */
export async function play(
  context: TestContext,
  program: Program,
  node: string | undefined,
  mode: Mode,
): Promise<Behaviours> {
  const app = await needApp(context, program.app);
  const release = node && join(await needApp(context, node, { scripts: true }), "node_modules/node/bin/node");
  // What a program imports is looked for beside it; another run may play at the same time.
  const folder = mkdtempSync(join(app, "run-"));
  for (const source of [import.meta.dirname, join(ROOT, "test/real", program.folder)])
    cpSync(source, folder, { recursive: true });
  const state = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const { startVendor } = (await import(url(`test/real/${program.folder}/vendor.mjs`))) as {
    startVendor(): Promise<Vendor>;
  };
  const vendor = await startVendor();
  const ours = mode === "bare" ? [] : ["--import", url("src/register.ts")];
  // An approver that takes its time holds each call, which then passes.
  const budgets = mode === "held" || mode === "refused" ? [{ name: "none at all", per: "hour", calls: 0 }] : [];
  const strip = node === "node-22" ? ["--experimental-strip-types"] : [];
  const seen = join(state, "seen.json");
  try {
    const args = [...strip, ...ours, join(folder, "program.mjs"), mode, ...program.args];
    await run(release ?? process.execPath, ["--no-warnings", ...args], {
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

/** What is not compared, by the names of behaviours. */
interface Apart {
  /** Those that a held call has to change. */
  readonly held?: readonly string[];
  /** Those of which the vendor need not see the same. */
  readonly wire?: readonly string[];
}

/** Expects that each behaviour is as without us; gives how many are. */
function expectSame(bare: Behaviours, ours: Behaviours, held: Behaviours, apart: Apart = {}): number {
  return Object.keys(bare).filter((key) => {
    const plain = (played: Played | undefined): Played =>
      ({ ...played, ...(apart.wire?.includes(key) && { wire: [] }) }) as Played;
    const one = plain(bare[key]);
    const pairs = [[shown(plain(ours[key])), shown(one)]];
    if (!apart.held?.includes(key)) pairs.push([shownHeld(plain(held[key])), shownHeld(one)]);
    for (const [is, was] of pairs) expect.soft({ [key]: is }).toEqual({ [key]: was });
    return pairs.every(([is, was]) => JSON.stringify(is) === JSON.stringify(was));
  }).length;
}

/** What is expected of a program's behaviours: their name in what is printed, and more than how many there are. */
interface Expected {
  readonly title: string;
  readonly above: number;
  readonly apart?: Apart;
}

/** Plays a program without us, with us, and with its calls held, and expects it the same, each call metered once. */
export async function expectAsWithoutUs(
  context: TestContext,
  program: Program,
  node: string | undefined,
  { title, above, apart }: Expected,
): Promise<void> {
  const [bare, ours, held] = await Promise.all([
    play(context, program, node, "bare"),
    play(context, program, node, "metered"),
    play(context, program, node, "held"),
  ]);
  const names = Object.keys(bare);
  const same = expectSame(bare, ours, held, apart);
  const metered = namesOf(ours, isMeteredRight);
  console.log(`${title}: ${same} of ${names.length} as without us, ${metered.length} of ${names.length} metered right`);
  expect(names.length).toBeGreaterThan(above);
  expect(names.filter((key) => !metered.includes(key)).map((key) => [key, ours[key]?.calls])).toEqual([]);
  expect(namesOf(held, isMeteredRight)).toEqual(names);
}

function isMeteredRight({ expected, calls }: Played): boolean {
  const endings = calls.map(({ ending }) => ending).sort();
  return expected === null || JSON.stringify(endings) === JSON.stringify([...expected].sort());
}

export const namesOf = (behaviours: Behaviours, isRight: (played: Played) => boolean): string[] =>
  Object.keys(behaviours).filter((name) => isRight(behaviours[name] as Played));
