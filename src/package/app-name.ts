import { dirname, join, sep } from "node:path";

const { readFileSync, realpathSync } = process.getBuiltinModule("node:fs");

const MODULES = `${sep}node_modules${sep}`;

/**
 * The name in the app's `package.json`, which is what a service is called that nobody names. Looked for above the
 * program's entry file, or above the app that has the program among its packages, then above the working directory.
 * @param cwd undefined when it was deleted
 */
export function nameOfApp(entry: string | undefined, cwd: string | undefined): string | undefined {
  const path = entry === undefined ? undefined : realPath(entry);
  const owner = path?.includes(MODULES) ? path.slice(0, path.indexOf(MODULES)) : path && dirname(path);
  return nameAbove(owner) ?? nameAbove(cwd) ?? nameAbove(path && dirname(path));
}

function nameAbove(start: string | undefined): string | undefined {
  if (start === undefined) return undefined;
  for (let folder = start; ; folder = dirname(folder)) {
    const name = nameIn(join(folder, "package.json"));
    if (name !== undefined) return name;
    if (folder === dirname(folder)) return undefined;
  }
}

/** A `package.json` without a name, such as `{ "type": "module" }`, is looked past. */
function nameIn(file: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(file, "utf8"));
    return typeof name === "string" && name.trim() !== "" ? name.trim() : undefined;
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
