import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./processes.ts";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));
const SOURCES = ["src", "build", "package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];
const ASSETS = ["dashboards", "monitors", "scenarios", "docs", "examples"];
const PAPERS = ["bundled.npmignore", "config.schema.json", "README.md", "LICENSE", "CHANGELOG.md"];

export interface Tarball {
  readonly path: string;
  readonly files: readonly string[];
  readonly packedBytes: number;
  readonly unpackedBytes: number;
}

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/**
 * `npm pack` in a checkout of its own, built by `prepack`: the tree that the other tests run in is left alone. Only the
 * bundled dependencies are copied, npm does not pack through links.
 */
export async function pack(dir: string): Promise<Tarball> {
  mkdirSync(join(dir, "node_modules"), { recursive: true });
  for (const name of [...SOURCES, ...ASSETS, ...PAPERS]) cpSync(join(ROOT, name), join(dir, name), { recursive: true });
  for (const [name, bundled] of installed()) {
    const from = join(ROOT, "node_modules", name);
    const to = join(dir, "node_modules", name);
    mkdirSync(dirname(to), { recursive: true });
    if (bundled) cpSync(from, to, { recursive: true });
    else symlinkSync(from, to);
  }
  symlinkSync(join(ROOT, "node_modules/.bin"), join(dir, "node_modules/.bin"));
  const out = await run("npm", ["pack", "--json", "--foreground-scripts=false"], { cwd: dir });
  const [packed] = JSON.parse(out) as readonly [Packed];
  return {
    path: join(dir, packed.filename),
    files: packed.files.map((file) => file.path),
    packedBytes: packed.size,
    unpackedBytes: packed.unpackedSize,
  };
}

/** Packages at the top of node_modules, by the lockfile, and whether they go into the tarball. */
function installed(): Map<string, boolean> {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly inBundle?: boolean; readonly optional?: boolean }>>;
  };
  const found = new Map<string, boolean>();
  for (const [path, { inBundle = false, optional = false }] of Object.entries(lock.packages)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    if (name !== undefined && (inBundle || !optional)) found.set(name, inBundle);
  }
  return found;
}
