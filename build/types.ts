import { rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Declaration, type DeclarationFile, readDeclarations } from "./declarations.ts";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
/** Where `tsc` puts a declaration file for each source. They are not shipped. */
const EMITTED = join(DIST, "types");
const ENTRIES = ["index", "register"];

for (const entry of ENTRIES) {
  const text = rollUp(join(EMITTED, `${entry}.d.ts`));
  // The same for `require`: only the name tells TypeScript which module system they describe.
  for (const kind of ["ts", "cts"]) writeFileSync(join(DIST, `${entry}.d.${kind}`), text);
}
rmSync(EMITTED, { recursive: true });

/** One declaration file with all that an entry's exports need, and nothing else. */
function rollUp(entry: string): string {
  const files = new Map<string, DeclarationFile>();
  const reached = new Map<string, readonly Declaration[]>();

  function open(path: string): DeclarationFile {
    const file = files.get(path) ?? readDeclarations(path);
    files.set(path, file);
    return file;
  }

  /** Declares what `name` means in `path`, and all that it refers to. Returns the name it is declared by. */
  function reach(path: string, name: string): string {
    const { declared, imported } = open(path);
    const declarations = declared.get(name);
    if (declarations === undefined) {
      const origin = imported.get(name);
      // Of the language or the DOM.
      if (origin?.file === undefined) return name;
      const found = reachExport(origin.file, origin.name);
      if (found !== name) throw new Error(`${path}: ${found} is imported as ${name}`);
      return name;
    }
    const known = reached.get(name);
    if (known === declarations) return name;
    if (known !== undefined) throw new Error(`${name} is declared in ${known[0]?.file} and in ${path}`);
    reached.set(name, declarations);
    for (const { refersTo } of declarations) for (const other of refersTo) reach(path, other);
    return name;
  }

  function reachExport(path: string, name: string): string {
    if (!path.startsWith(EMITTED)) throw new Error(`the types of the package need ${name} of ${path}`);
    const origin = open(path).exported.get(name);
    if (origin === undefined) throw new Error(`${path} exports no ${name}`);
    return origin.file === undefined ? reach(path, origin.name) : reachExport(origin.file, origin.name);
  }

  const exports = [...open(entry).exported.keys()].sort().map((name) => {
    const local = reachExport(entry, name);
    return local === name ? name : `${local} as ${name}`;
  });
  checkGlobals(reached, files);
  const texts = [...reached.values()].flat().map(({ text }) => `${text}\n`);
  return `${texts.join("")}export {${exports.map((name) => `\n    ${name},`).join("")}${exports.length > 0 ? "\n" : ""}};\n`;
}

/** A global that one file uses must not be hidden by what another declares. */
function checkGlobals(
  reached: ReadonlyMap<string, readonly Declaration[]>,
  files: ReadonlyMap<string, DeclarationFile>,
): void {
  for (const { file, name, refersTo } of [...reached.values()].flat()) {
    const { declared, imported } = files.get(file)!;
    for (const other of refersTo) {
      if (declared.has(other) || imported.has(other) || !reached.has(other)) continue;
      throw new Error(`${relative(EMITTED, file)}: ${name} means the global ${other}, which the package declares too`);
    }
  }
}
