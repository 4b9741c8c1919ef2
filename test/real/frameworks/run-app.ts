import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run } from "../../package/processes.ts";
import { startModelServer } from "../../servers/model-server.ts";
import { type Asked, createModel } from "./model.ts";

const ROOT = join(import.meta.dirname, "../../..");
const url = (path: string): string => pathToFileURL(join(ROOT, path)).href;

/** What the meter keeps of one call, as far as it matters here. */
export interface Metered {
  readonly responseId?: string;
  readonly ending: string;
  readonly scope: { readonly agent: string; readonly rootAgent: string; readonly [field: string]: string | undefined };
  readonly usage?: { readonly input: number; readonly output: number };
  readonly costUsd?: number;
}

/** Runs an app that has never heard of us, with a model of our own, and gives what was asked and what was metered. */
export async function runApp(
  program: string,
  options: {
    readonly cwd: string;
    readonly preloads?: readonly string[];
    readonly env?: Readonly<Record<string, string | undefined>>;
    /** Without us: then nothing is metered. */
    readonly bare?: boolean;
  },
): Promise<{ readonly asked: readonly Asked[]; readonly metered: readonly Metered[]; readonly output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const server = await startModelServer();
  const model = createModel();
  server.play(model.answer);
  const collected = join(folder, "calls.json");
  const ours = options.bare ? [] : [url("src/register.ts"), url("test/real/frameworks/collect.mjs")];
  const imports = [...ours, ...(options.preloads ?? [])];
  try {
    const output = await run(
      process.execPath,
      ["--no-warnings", ...imports.flatMap((path) => ["--import", path]), program],
      {
        cwd: options.cwd,
        env: {
          // A test says so to whoever asks; an app does not.
          NODE_ENV: undefined,
          SPENDFUSE_TEST_INDEX: url("src/index.ts"),
          SPENDFUSE_STATE_DIR: folder,
          COLLECTED: collected,
          // Without it the stand-in is a local server, which has no cloud's price.
          SPENDFUSE_QUIET: "1",
          SPENDFUSE_CONFIG: JSON.stringify({ hosts: [{ host: server.host, provider: "openai" }] }),
          OPENAI_BASE_URL: `${server.url}/v1`,
          OPENAI_API_KEY: "sk-test",
          GOOGLE_GEMINI_BASE_URL: server.url,
          ANTHROPIC_BASE_URL: server.url,
          ANTHROPIC_API_KEY: "sk-test",
          ...options.env,
        },
      },
    );
    const metered = options.bare ? [] : (JSON.parse(readFileSync(collected, "utf8")) as Metered[]);
    return { asked: model.asked, metered, output };
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
