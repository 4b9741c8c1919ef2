import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A package as the app would load it. */
export interface Installed {
  readonly version: string;
  /** Other versions that lie in the same tree: inside other packages, or in a folder further out. */
  readonly others: readonly string[];
}

/** By name; direct dependencies. */
export type Packages = ReadonlyMap<string, Installed>;

/**
 * Looks through every `node_modules` from the app's folder upwards, the folders inside of packages, and pnpm's store.
 * @param isWanted By name. Of the others nothing is read.
 */
export function findPackages(dir: string, isWanted: (name: string) => boolean): Packages {
  const found = new Map<string, string[]>();
  const add = (name: string, version: string | undefined): void => {
    if (version === undefined) return;
    const versions = found.get(name);
    if (versions === undefined) found.set(name, [version]);
    else if (!versions.includes(version)) versions.push(version);
  };
  for (const root of rootsAbove(dir)) {
    const names = namesIn(root);
    for (const name of names) if (isWanted(name)) add(name, versionAt(join(root, name)));
    for (const name of names) {
      const inner = join(root, name, "node_modules");
      for (const nested of namesIn(inner)) if (isWanted(nested)) add(nested, versionAt(join(inner, nested)));
    }
    // `@openai+agents@0.20.0_zod@4.6.7` holds that version of @openai/agents.
    for (const entry of listed(join(root, ".pnpm"))) {
      const [, name = "", version = ""] = /^(@?[^@]+)@([^_(]+)/.exec(entry) ?? [];
      const plain = name.replace("+", "/");
      if (found.has(plain) && isWanted(plain)) add(plain, version);
    }
  }
  return new Map([...found].map(([name, [version = "", ...others]]) => [name, { version, others }]));
}

/** Whether an app keeps its packages where nothing can be read of them: Yarn's Plug'n'Play. */
export function isPlugAndPlay(dir: string): boolean {
  return foldersAbove(dir).some((folder) => existsSync(join(folder, ".pnp.cjs")));
}

function rootsAbove(dir: string): readonly string[] {
  return foldersAbove(dir)
    .map((folder) => join(folder, "node_modules"))
    .filter((folder) => existsSync(folder));
}

function foldersAbove(dir: string): readonly string[] {
  const above = dirname(dir);
  return above === dir ? [dir] : [dir, ...foldersAbove(above)];
}

function namesIn(root: string): readonly string[] {
  return listed(root).flatMap((name) =>
    name.startsWith("@")
      ? listed(join(root, name)).map((inner) => `${name}/${inner}`)
      : name.startsWith(".")
        ? []
        : name,
  );
}

function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function versionAt(folder: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version?: unknown };
    return typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}
