import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { BuildOptions, Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = fileURLToPath(new URL("../src/", import.meta.url));

export const TARGET = "node22.15";

export const BUNDLE: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: TARGET,
  packages: "external",
  chunkNames: "spendfuse-[hash]",
  outdir: "dist",
  logLevel: "warning",
};

/**
 * Without what V8 reads in vain at the start of each app. Names stay as they are in the sources, and lines short, so that
 * stacks and debuggers can be read.
 */
export const COMPACT = { minifyWhitespace: true, minifySyntax: true, lineLimit: 160 } as const;

/** The entries of an app. Each loads nearly all of what the other loads. */
export const AGENT: BuildOptions & { readonly entryPoints: Record<string, string> } = {
  ...BUNDLE,
  ...COMPACT,
  entryPoints: { index: "src/index.ts", register: "src/register.ts" },
  // Nothing of it is to run, only to be reached.
  logOverride: { "ignored-bare-import": "silent" },
  plugins: [oneChunk("process/runtime.ts")],
};

/**
 * Keeps what the entries load at once in one file, because an app waits for each file that Node has to find. Esbuild
 * puts sources into one chunk that the same entries reach; without this each file that is imported later is one, and
 * what it shares with the start is a chunk of its own.
 * @param start The source that all of them are made to reach; it is loaded by then.
 */
function oneChunk(start: string): Plugin {
  const later = new Set<string>();
  return {
    name: "one-chunk",
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^\./ }, async ({ path, kind, pluginData, ...from }) => {
        if (kind !== "dynamic-import" || pluginData === later) return undefined;
        const found = await resolve(path, {
          kind,
          resolveDir: from.resolveDir,
          importer: from.importer,
          pluginData: later,
        });
        later.add(found.path);
        return { path: found.path };
      });
      onResolve({ filter: /^start-of-app$/ }, () => ({ path: `${SOURCES}${start}` }));
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!later.has(path)) return undefined;
        return { contents: `${await readFile(path, "utf8")}\nimport "start-of-app";\n`, loader: "ts" };
      });
    },
  };
}
