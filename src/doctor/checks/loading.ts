import { posix } from "node:path";
import { isRegister, type Launch } from "../facts/launches.ts";
import { packageOf, placeOf, type SourceFile } from "../facts/sources.ts";
import { type Facts, isNamed } from "../facts.ts";
import { lineOf, startLine } from "../start-line.ts";
import { SDKS } from "../tables/sdks.ts";
import type { Check } from "./check.ts";

/** A place in the sources that starts us, and what stands before it that may have kept the old fetch by then. */
interface Start {
  readonly file: SourceFile;
  readonly at: number;
  readonly before: string | undefined;
}

export const loading: Check = {
  name: "loading",
  group: "started",
  says: "spendfuse is loaded, and before any client is built",
  *check(facts) {
    const { launches, sources, manifest } = facts;
    // No app at all: that is said elsewhere.
    if (manifest === undefined && sources.files.length === 0) return;
    const loaders = launches.filter(({ preloads }) => preloads.some(isRegister));
    const starts = sources.files.flatMap((file) => startIn(file) ?? []);
    const preloaded = starts.filter(({ file }) => isPreloaded(file, launches));
    for (const { where } of loaders)
      yield { id: "register", level: "ok", subject: where, says: "loads spendfuse/register before the app" };
    for (const { file, at } of preloaded)
      yield {
        id: "register",
        level: "ok",
        subject: placeOf(file, at),
        says: "starts spendfuse, loaded before the app",
      };
    if (loaders.length === 0 && starts.length === 0) {
      const wrapper = sources.files.find(wrapsFetch);
      if (wrapper !== undefined) {
        yield {
          id: "register-partial",
          level: "note",
          subject: wrapper.path,
          says: "uses wrapFetch(), and nothing loads spendfuse: only clients that are given that fetch are metered",
          fix: startLine(facts),
        };
        return;
      }
      yield {
        id: "register-missing",
        level: "fault",
        subject: launches.find(({ kind }) => kind !== "environment")?.where ?? manifest?.main ?? "the app",
        says: "nothing loads spendfuse: no call is metered, no budget holds",
        fix: startLine(facts),
      };
      return;
    }
    const everywhere = loaders.some(({ kind }) => kind === "environment") || starts.length > 0;
    for (const launch of everywhere ? [] : launches) {
      if (!launch.production || loaders.includes(launch)) continue;
      yield {
        id: "register-partial",
        level: "note",
        subject: launch.where,
        says: "starts the app without spendfuse, which others load",
        fix: lineOf(launch),
      };
    }
    if (loaders.length > 0) return;
    for (const start of starts) {
      if (preloaded.includes(start)) continue;
      const { file, at } = start;
      const before = start.before ?? builtElsewhere(facts, file);
      const subject = placeOf(file, at);
      if (before === undefined) yield { id: "register", level: "ok", subject, says: "starts spendfuse, first of all" };
      else
        yield {
          id: "register-late",
          level: "note",
          subject,
          says: `starts spendfuse after ${before}: a client that was built by then keeps the fetch it found`,
          fix: startLine(facts),
        };
    }
  },
};

function startIn(file: SourceFile): Start | undefined {
  const { code, imports } = file;
  const register = imports.find(({ name }) => isRegister(name));
  if (register !== undefined) return { file, at: register.at, before: importBefore(file, register.at) };
  if (!imports.some(({ name }) => name === "spendfuse")) return undefined;
  const called = /(?<![.\w])start\s*\(|\binstrumentations\s*:\s*\[[^\]]*\binstrumentation\b/.exec(code);
  if (called === null) return undefined;
  const client = CLIENT.exec(code.slice(0, called.index));
  return { file, at: called.index, before: client ? `new ${client[1]}()` : undefined };
}

function wrapsFetch({ code, imports }: SourceFile): boolean {
  return imports.some(({ name }) => name === "spendfuse") && /\bwrapFetch\s*\(/.test(code);
}

const CLIENTS = "OpenAI|AzureOpenAI|Anthropic|GoogleGenAI|Mistral|ChatOpenAI|ChatAnthropic";
const CLIENT = new RegExp(`\\bnew\\s+(${CLIENTS})\\s*\\(`);
/** Runs when the file is loaded, not when a function of it is called. */
const TOP_CLIENT = new RegExp(`^(?:export\\s+)?(?:const|let|var)\\s+\\w+\\s*=\\s*new\\s+(${CLIENTS})\\s*\\(`, "m");

function importBefore({ imports }: SourceFile, at: number): string | undefined {
  const earlier = imports.find((one) => {
    const name = packageOf(one.name);
    const counts = one.name.startsWith(".") || (name !== undefined && keepsFetch(name));
    return counts && one.at < at;
  });
  return earlier?.name;
}

function keepsFetch(name: string): boolean {
  return SDKS.find((sdk) => isNamed(name, sdk.package))?.keepsFetch === true;
}

/** A client that another file builds as it is loaded; a file that loads the app by itself, later, is not behind. */
function builtElsewhere({ sources }: Facts, starter: SourceFile): string | undefined {
  if (/\bimport\s*\(/.test(starter.code) || importsFirst(starter)) return undefined;
  for (const file of sources.files) {
    const found = file === starter ? null : TOP_CLIENT.exec(file.code);
    if (found) return `new ${found[1]}() in ${placeOf(file, found.index)}`;
  }
  return undefined;
}

function importsFirst({ imports }: SourceFile): boolean {
  return imports[0] !== undefined && isRegister(imports[0].name);
}

/** `--import ./dist/instrument.js` loads what `src/instrument.ts` became before the app. */
function isPreloaded({ path }: SourceFile, launches: readonly Launch[]): boolean {
  const bare = (name: string): string => posix.basename(name).replace(/\.[cm]?[jt]sx?$/, "");
  return launches.some(({ preloads }) => preloads.some((name) => /^[./]/.test(name) && bare(name) === bare(path)));
}
