import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

/** A source tree: text by path, such as `src/core/scope.ts`. Laws read only this, so that a test can break them in memory. */
export type Tree = ReadonlyMap<string, string>;

const LEFT_OUT = new Set(["node_modules", ".git", "dist"]);
const TEXT = /\.(ts|js|mjs|cjs|json|md|ya?ml|sh)$|\/\.(npmrc|gitignore)$|^\.ci\//;

export function readTree(root: string): Tree {
  const tree = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = posix.join(entry.parentPath.slice(root.length), entry.name).replace(/^\//, "");
    if (!entry.isFile() || path.split("/").some((part) => LEFT_OUT.has(part)) || !TEXT.test(`/${path}`)) continue;
    tree.set(path, readFileSync(join(root, path), "utf8"));
  }
  return tree;
}

export interface Import {
  readonly from: string;
  /** A path in the tree, or the name of a package as it is written. */
  readonly to: string;
  readonly kind: "static" | "dynamic" | "type";
}

const STATEMENTS: readonly (readonly [RegExp, (type: string | undefined) => Import["kind"]])[] = [
  [/^import\s+(type\s+)?[\w*{][^;'"]*?\bfrom\s*["']([^"'\n]+)["']/gm, (type) => (type ? "type" : "static")],
  [
    /^export\s+(type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*["']([^"'\n]+)["']/gm,
    (type) => (type ? "type" : "static"),
  ],
  [/^import\s*()["']([^"'\n]+)["']/gm, () => "static"],
  [/\b(?:import|require|resolve)\s*\(\s*()["']([^"'\n]+)["']/g, () => "dynamic"],
];

/**
 * The imports of a file by their statements, which the formatter keeps at the start of a line. `import { type A }` is a
 * static one: Node strips the name and loads the file.
 */
export function importsOf(tree: Tree, from: string): readonly Import[] {
  const found: Import[] = [];
  const source = tree.get(from) ?? "";
  for (const [pattern, kindOf] of STATEMENTS) {
    for (const [, type, name = ""] of source.matchAll(pattern)) {
      const to = name.startsWith(".") ? posix.join(posix.dirname(from), name) : name;
      found.push({ from, to, kind: kindOf(type) });
    }
  }
  return found;
}

/** Every file that is loaded when the roots are, with the imports of the given kinds followed. */
export function closure(tree: Tree, roots: readonly string[], kinds: readonly Import["kind"][]): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path) || !tree.has(path)) return;
    seen.add(path);
    for (const { to, kind } of importsOf(tree, path)) if (kinds.includes(kind)) visit(to);
  };
  for (const root of roots) visit(root);
  return seen;
}

/** Source without its comments. A `//` behind a colon or a quote is an address. */
export function code(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(?<![:"'`\\])\/\/.*$/gm, "");
}

/** Files under a folder, and of a kind. */
export function filesIn(tree: Tree, folder: string, extension = ".ts"): readonly string[] {
  return [...tree.keys()].filter((path) => path.startsWith(`${folder}/`) && path.endsWith(extension));
}
