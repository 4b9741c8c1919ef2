import { build } from "esbuild";
import { AGENT, BUNDLE } from "./bundle.ts";

const thread = { "spendfuse-proxy": "src/process/programs/thread.ts" };

await build({ ...AGENT, entryPoints: { ...AGENT.entryPoints, ...thread } });
await build({
  ...BUNDLE,
  entryPoints: { "spendfuse-sender": "src/meter/export/sender.ts", "cli/main": "src/cli/main.ts" },
  alias: { "js-tokens": "./node_modules/js-tokens/index.js" },
});
