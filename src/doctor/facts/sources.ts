import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { readManifest } from "./manifest.ts";
import { type Literal, readSource, type SourceText } from "./source-text.ts";

export interface SourceFile extends SourceText {
  /** From the app's folder, with `/`. */
  readonly path: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** As it is written. */
  readonly name: string;
  /** Runs before the file's first line; false of `require()` and `import()`. */
  readonly isStatic: boolean;
  readonly at: number;
}

export interface Sources {
  readonly files: readonly SourceFile[];
  /** There were more than are read. */
  readonly cut: boolean;
}

const MAX_FILES = 500;
const MAX_BYTES = 262_144;
const SOURCE = /\.[cm]?[jt]sx?$/;
/** Tests and what is built are not how the app runs. */
const LEFT_OUT_FILE = /\.(?:test|spec|d)\.[cm]?[jt]sx?$|\.min\.js$/;
const LEFT_OUT_FOLDER =
  /^(?:\..*|node_modules|dist|build|out|coverage|vendor|public|tests?|__tests__|__mocks__|fixtures|e2e|bench|examples?)$/;

/** The app's own sources, those near its root first. Folders that are packages of their own are left out. */
export function findSources(dir: string): Sources {
  const files: SourceFile[] = [];
  const folders = [""];
  for (const folder of folders) {
    for (const entry of entriesOf(join(dir, folder))) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!LEFT_OUT_FOLDER.test(entry.name) && readManifest(join(dir, path))?.name === undefined) folders.push(path);
        continue;
      }
      if (!entry.isFile() || !SOURCE.test(entry.name) || LEFT_OUT_FILE.test(entry.name)) continue;
      if (files.length >= MAX_FILES) return { files, cut: true };
      const text = textOf(join(dir, path));
      if (text !== undefined) files.push(readFile(path, text));
    }
  }
  return { files, cut: false };
}

export function readFile(path: string, text: string): SourceFile {
  const source = readSource(text, !/\.[cm]?ts$/.test(path));
  return { ...source, path, imports: source.literals.flatMap((literal) => importOf(source.code, literal)) };
}

const IMPORT = /(?<![.\w$])(?:from|import|(?:require|import)\s*\()\s*$/;
/** Gone before the app runs. */
const TYPE_IMPORT = /\b(?:import|export)\s+type\b[^;'"]*$/;

function importOf(code: string, { text, at }: Literal): Import[] {
  const before = code.slice(Math.max(0, at - 600), at);
  const found = IMPORT.exec(before);
  return found === null || TYPE_IMPORT.test(before) ? [] : [{ name: text, at, isStatic: !found[0].includes("(") }];
}

/** The package that an import names: `openai` of `openai/realtime/ws`; undefined for a file or a part of Node. */
export function packageOf(name: string): string | undefined {
  if (/^(?:[./#]|node:|https?:|data:)/.test(name)) return undefined;
  return name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
}

/** `src/main.js:12`, for a place in a file. */
export function placeOf({ path, code }: SourceFile, at: number): string {
  return `${path}:${code.slice(0, at).split("\n").length}`;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return statSync(path).size > MAX_BYTES ? undefined : readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
