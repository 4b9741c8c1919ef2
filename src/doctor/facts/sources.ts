import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import jsTokens from "js-tokens";
import { readManifest } from "./packages.ts";

/** A source file as checks search it. */
export interface SourceFile {
  /** From the app's folder, with `/`. */
  readonly path: string;
  /** As long as the source, with comments, strings and regular expressions blanked out. */
  readonly code: string;
  readonly literals: readonly Literal[];
  readonly imports: readonly Import[];
}

/** A string; a template has one for each of its parts. */
export interface Literal {
  readonly text: string;
  /** Position of its quote. */
  readonly at: number;
}

export interface Import {
  readonly name: string;
  readonly at: number;
}

export interface Sources {
  readonly files: readonly SourceFile[];
  /** There were more files than are read. */
  readonly cut: boolean;
}

const MAX_FILES = 500;
const MAX_BYTES = 262_144;
const SOURCE = /\.[cm]?[jt]sx?$/;
/** Tests and built files are not the app's sources. */
const LEFT_OUT_FILE = /\.(?:test|spec|d)\.[cm]?[jt]sx?$|\.min\.js$/;
const LEFT_OUT_FOLDER =
  /^(?:\..*|node_modules|dist|build|out|coverage|vendor|public|tests?|__tests__|__mocks__|fixtures|e2e|bench|examples?)$/;

/** The app's own sources, those near its root first, without folders that are packages of their own. */
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

/** Length of the opening and the closing quote, by type of token. */
const QUOTES: Readonly<Record<string, readonly [open: number, close: number]>> = {
  StringLiteral: [1, 1],
  JSXString: [1, 1],
  NoSubstitutionTemplate: [1, 1],
  TemplateHead: [1, 2],
  TemplateMiddle: [1, 2],
  TemplateTail: [1, 1],
};
const NO_CODE = /Comment$|^RegularExpressionLiteral$|^JSXText$/;

export function readFile(path: string, source: string): SourceFile {
  const parts: string[] = [];
  const literals: Literal[] = [];
  let at = 0;
  // In `.ts` files `<` begins an assertion, not an element.
  for (const token of jsTokens(source, { jsx: !/\.[cm]?ts$/.test(path) })) {
    const { type, value } = token;
    const quotes = QUOTES[type];
    if (quotes !== undefined) {
      const [open, close] = quotes;
      const text = value.slice(open, value.length - ("closed" in token && !token.closed ? 0 : close));
      literals.push({ text, at });
      parts.push(value.slice(0, open), blank(text), value.slice(open + text.length));
    } else parts.push(NO_CODE.test(type) ? blank(value) : value);
    at += value.length;
  }
  const code = parts.join("");
  return { path, code, literals, imports: literals.flatMap((one) => importOf(code, one)) };
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

const IMPORT = /(?<![.\w$])(?:from|import|(?:require|import)\s*\()\s*$/;
const TYPE_IMPORT = /\b(?:import|export)\s+type\b[^;'"]*$/;

function importOf(code: string, { text, at }: Literal): readonly Import[] {
  const before = code.slice(Math.max(0, at - 600), at);
  return IMPORT.test(before) && !TYPE_IMPORT.test(before) ? [{ name: text, at }] : [];
}

/** `src/main.js:12` for a position in a file. */
export function placeOf({ path, code }: SourceFile, at: number): string {
  return `${path}:${code.slice(0, at).split("\n").length}`;
}
