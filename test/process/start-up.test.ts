import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";

const REGISTER = fileURLToPath(new URL("../../dist/register.js", import.meta.url));
/** Of Node's own modules, those whose loading takes more than a millisecond. */
const HEAVY =
  /^NativeModule (?:internal\/deps\/undici|internal\/crypto\/|internal\/http2|_?http|https|tls|zlib|internal\/fs\/(?:promises|streams)|internal\/readline|internal\/zip|internal\/util\/parse_args)/;

const dir = mkdtempSync(join(tmpdir(), "start-up-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** What Node has loaded of its own once `imported` has run, in the same turn of the event loop. */
function loadedWith(imported: string): readonly string[] {
  const app = join(dir, "app.mjs");
  writeFileSync(app, `${imported}process.stdout.write(JSON.stringify(process.moduleLoadList));`);
  const { NODE_OPTIONS: _, ...env } = process.env;
  return JSON.parse(execFileSync(process.execPath, [app], { env, encoding: "utf8" })) as string[];
}

/** The files that are loaded with a file of `dist`. */
function filesOf(path: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, name = ""] of readFileSync(path, "utf8").matchAll(/\b(?:import|from) ?"(\.[^"]+)"/g)) {
    filesOf(join(dirname(path), name), found);
  }
  return found;
}

test.skipIf(!existsSync(REGISTER))("an app waits for no heavy module of Node's, and for one file of ours", () => {
  const bare = loadedWith("");
  const added = loadedWith(`import "${pathToFileURL(REGISTER)}";`).filter((name) => !bare.includes(name));
  expect(added).toContain("NativeModule child_process");
  expect(added.filter((name) => HEAVY.test(name))).toEqual([]);
  expect([...filesOf(REGISTER)]).toHaveLength(2);
});
