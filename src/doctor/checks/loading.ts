import { posix } from "node:path";
import { isRegister, type Launch } from "../facts/launches.ts";
import { type Import, packageOf, placeOf, type SourceFile } from "../facts/sources.ts";
import { type Facts, isNamed } from "../facts.ts";
import { fault, note, ok, type Remark } from "../finding.ts";
import { lineOf, startLine } from "../start-line.ts";
import { SDKS } from "../tables/sdks.ts";
import type { Check } from "./check.ts";

/** A place in the sources that starts us, and what precedes it that may already have saved the original fetch. */
interface Start {
  readonly file: SourceFile;
  readonly at: number;
  readonly before: string | undefined;
}

/** Spendfuse is loaded, and before any client is built. */
export const loading: Check = {
  name: "loading",
  group: "started",
  *check(facts) {
    const { launches, sources, manifest } = facts;
    // No app at all: that is said elsewhere.
    if (manifest === undefined && sources.files.length === 0) return;
    const loaders = launches.filter(({ preloads }) => preloads.some(isRegister));
    const starts = sources.files.flatMap((file) => startIn(file) ?? []);
    const [preloaded, later] = [true, false].map((is) =>
      starts.filter(({ file }) => isPreloaded(file, launches) === is),
    ) as [Start[], Start[]];
    if (loaders.length === 0 && starts.length === 0) {
      yield notLoaded(facts);
      return;
    }
    for (const { where } of loaders) yield ok("register", where, "loads spendfuse/register before the app");
    for (const { file, at } of preloaded)
      yield ok("register", placeOf(file, at), "starts spendfuse, loaded before the app");
    const everywhere = loaders.some(({ kind }) => kind === "environment") || starts.length > 0;
    const without = everywhere ? [] : launches.filter((one) => one.production && !loaders.includes(one));
    for (const launch of without)
      yield note(
        "register-partial",
        launch.where,
        "starts the app without spendfuse, which others load",
        lineOf(launch),
      );
    for (const { file, at, before } of loaders.length > 0 ? [] : later) {
      const late = `starts spendfuse after ${before}: a client that was built by then keeps the fetch it found`;
      if (before === undefined) yield ok("register", placeOf(file, at), "starts spendfuse, first of all");
      else yield note("register-late", placeOf(file, at), late, startLine(facts));
    }
  },
};

function notLoaded(facts: Facts): Remark {
  const wrapper = facts.sources.files.find(wrapsFetch);
  if (wrapper !== undefined) {
    const says = "uses wrapFetch(), and nothing loads spendfuse: only clients that are given that fetch are metered";
    return note("register-partial", wrapper.path, says, startLine(facts));
  }
  const launch = facts.launches.find(({ kind }) => kind !== "environment");
  const subject = launch?.where ?? facts.manifest?.main ?? "the app";
  return fault(
    "register-missing",
    subject,
    "nothing loads spendfuse: no call is metered, no budget holds",
    startLine(facts),
  );
}

function startIn(file: SourceFile): Start | undefined {
  const { code, imports } = file;
  const register = imports.find(({ name }) => isRegister(name));
  if (register !== undefined) {
    const before = imports.find((one) => one.at < register.at && mayBuildClient(one));
    return { file, at: register.at, before: before?.name };
  }
  if (!imports.some(isOwn)) return undefined;
  const called = /(?<![.\w])start\s*\(|\binstrumentations\s*:\s*\[[^\]]*\binstrumentation\b/.exec(code);
  if (called === null) return undefined;
  const before = imports.find((one) => (one.isStatic || one.at < called.index) && mayBuildClient(one));
  return { file, at: called.index, before: before?.name };
}

function wrapsFetch({ code, imports }: SourceFile): boolean {
  return imports.some(isOwn) && /\bwrapFetch\s*\(/.test(code);
}

function isOwn({ name }: Import): boolean {
  return name === "spendfuse";
}

/** A file of the app, or an SDK that keeps the fetch it finds when a client is built. */
function mayBuildClient({ name }: Import): boolean {
  const own = packageOf(name);
  return (
    name.startsWith(".") || (own !== undefined && SDKS.find((sdk) => isNamed(own, sdk.package))?.keepsFetch === true)
  );
}

/** `--import ./dist/instrument.js` loads what `src/instrument.ts` became before the app. */
function isPreloaded({ path }: SourceFile, launches: readonly Launch[]): boolean {
  const bare = (name: string): string => posix.basename(name).replace(/\.[cm]?[jt]sx?$/, "");
  return launches.some(({ preloads }) => preloads.some((name) => /^[./]/.test(name) && bare(name) === bare(path)));
}
