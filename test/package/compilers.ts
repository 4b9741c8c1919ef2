import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installedApp } from "../apps/installed.ts";
import { run } from "./processes.ts";
import { ROOT } from "./tarball.ts";

/** Every declaration but TypeScript's own is checked, ours included, and `@types/node` is not there to help. */
const STRICT = {
  target: "es2023",
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: false,
  skipDefaultLibCheck: true,
};

/** What TypeScript calls the four ways to resolve a package, and the kinds of file that each is used with. */
const MODES = {
  nodenext: { module: "nodenext", files: ["consumer.mts", "consumer.cts"] },
  node16: { module: "node16", files: ["consumer.mts", "consumer.cts"] },
  bundler: { module: "esnext", moduleResolution: "bundler", files: ["consumer.ts"] },
  // Without `exports` in 5.9, where it means `moduleResolution: node10`, which 7 no longer has.
  commonjs: { module: "commonjs", files: ["consumer.ts"] },
} as const;
export const MODE_NAMES = Object.keys(MODES) as readonly (keyof typeof MODES)[];

export const COMPILERS = {
  "TypeScript 7": { lib: ["es2023", "dom"], tsc: async () => join(ROOT, "node_modules/.bin/tsc") },
  // Half the size of `dom`, and the fetch that our types name is in it too.
  "TypeScript 5.9": {
    lib: ["es2023", "webworker"],
    tsc: async () => join(await installedApp("typescript-5"), "node_modules/.bin/tsc"),
  },
} as const;
export const COMPILER_NAMES = Object.keys(COMPILERS) as readonly (keyof typeof COMPILERS)[];

/** Compiles `consumer.ts` of `project` without an error, or throws what the compiler said. */
export async function compile(
  compiler: keyof typeof COMPILERS,
  mode: keyof typeof MODES,
  project: string,
): Promise<void> {
  const { lib, tsc } = COMPILERS[compiler];
  const { files, ...modules } = MODES[mode];
  const cwd = join(project, `types-${compiler.replaceAll(/\W/g, "-")}-${mode}`);
  mkdirSync(cwd, { recursive: true });
  for (const file of files) copyFileSync(join(project, "consumer.ts"), join(cwd, file));
  const compilerOptions = { ...STRICT, ...modules, lib, types: [] };
  writeFileSync(join(cwd, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  await run(await tsc(), ["-p", "."], { cwd });
}
