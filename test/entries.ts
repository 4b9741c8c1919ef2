import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = join(import.meta.dirname, "..");

/**
 * Where a program of the tests finds our entry, as a path: what is built where it is up to date, because that starts three
 * times as fast; else the sources.
 */
export function entryPath(name: "cli/main" | "index" | "register"): string {
  const built = join(ROOT, "dist", `${name}.js`);
  return existsSync(built) && statSync(built).mtimeMs > lastChange() ? built : join(ROOT, "src", `${name}.ts`);
}

/** The same as an address, which `--import` takes. */
export function entryUrl(name: "index" | "register"): string {
  return pathToFileURL(entryPath(name)).href;
}

let changed: number | undefined;

/** When a source was changed last, in milliseconds since the epoch. */
function lastChange(): number {
  changed ??= Math.max(
    ...readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true }).map(
      ({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs,
    ),
  );
  return changed;
}
