import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { run } from "../package/processes.ts";
import { APPS, CACHE } from "./installed.ts";

/** Some modules ask for more than Go 1.26.8; any Go from 1.21 on fetches this one. */
const TOOLCHAIN = "go1.27.3";
/** Prometheus takes five minutes on two idle cores. */
const BUILD_MS = 30 * 60_000;

/**
 * The folder of the programs of a Go module of `test/apps`, built as its go.sum pins them and kept in the user's cache.
 * Where they cannot be built the test is skipped with the reason; in CI it fails.
 * @param packages What is built: `./...` is every program of the module's own.
 */
export async function needGo(
  context: TestContext,
  app: string,
  packages: readonly string[] = ["./..."],
): Promise<string> {
  try {
    return await builtGo(app, packages);
  } catch (error) {
    if (process.env.CI === "true") throw error;
    const lines = (error as Error).message.split("\n").filter((line) => line.trim() !== "");
    return context.skip(`test/apps/${app} cannot be built: ${lines.at(-1) ?? "no reason given"}`);
  }
}

/** Their folder. @throws Error with Go's output when they cannot be built. */
export async function builtGo(app: string, packages: readonly string[]): Promise<string> {
  const source = join(APPS, app);
  const hash = createHash("sha256").update(TOOLCHAIN);
  for (const file of readdirSync(source, { recursive: true, encoding: "utf8" }).sort())
    if (/\.go$|^go\.(mod|sum)$/.test(file)) hash.update(file).update(readFileSync(join(source, file)));
  const kept = join(CACHE, `${app}-${hash.digest("hex").slice(0, 12)}`);
  if (existsSync(kept)) return kept;
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(`${kept}-`);
  const programs = join(fresh, "programs");
  try {
    cpSync(source, join(fresh, "source"), { recursive: true });
    mkdirSync(programs);
    await run("go", ["build", "-mod=readonly", "-o", `${programs}/`, ...packages], {
      cwd: join(fresh, "source"),
      env: { GOTOOLCHAIN: TOOLCHAIN, GOFLAGS: "-buildvcs=false" },
      timeoutMs: BUILD_MS,
    });
    renameSync(programs, kept);
  } catch (error) {
    if (!existsSync(kept)) throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return kept;
}
