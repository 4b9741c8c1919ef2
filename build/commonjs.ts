import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type TransformOptions, transform } from "esbuild";
import { AGENT, COMPACT, TARGET } from "./bundle.ts";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));

/** What CommonJS lacks of `import.meta`. In a bundle of ES modules `__filename` is not there either. */
const IMPORT_META = `var importMetaFilename = typeof __filename === "string" ? __filename : undefined;
var importMetaUrl = importMetaFilename && require("node:url").pathToFileURL(importMetaFilename).href;
`;

const AS_COMMONJS: TransformOptions = {
  ...COMPACT,
  format: "cjs",
  platform: "node",
  target: TARGET,
  // Jest runs CommonJS without `import()`.
  supported: { "dynamic-import": false },
  define: { "import.meta.url": "importMetaUrl", "import.meta.filename": "importMetaFilename" },
};

/**
 * The entries once more for `require`, with chunks of their own. Esbuild splits only ES modules, so each of the finished
 * files is turned into CommonJS.
 */
const { outputFiles } = await build({ ...AGENT, outdir: DIST, write: false });
const names = outputFiles.map(({ path }) => path.slice(DIST.length + 1, -".js".length));
for (const [n, { text }] of outputFiles.entries()) {
  const renamed = names.reduce((code, name) => code.replaceAll(`"./${name}.js"`, `"./${name}.cjs"`), text);
  const { code } = await transform(renamed, AS_COMMONJS);
  const prefix = /\bimportMeta(Url|Filename)\b/.test(code) ? IMPORT_META : "";
  writeFileSync(join(DIST, `${names[n]}.cjs`), `"use strict";\n${prefix}${code.replace(/^"use strict";\n/, "")}`);
}
