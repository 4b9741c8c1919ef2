import { createStyle } from "../../terminal/style.ts";
import { type Command, defineCommand, type OptionValues, usage } from "./command.ts";

const HELP = `spendfuse demo: three agents spend money at a local vendor, spendfuse meters them, and the vendor's own bill is
shown next to it. Then two more are stopped: by a budget, and by a monitor of the sandbox, a stand-in for Datadog, whose
page shows it all. Finally the poller reads the vendor's cost reports and reconciles them per agent. No account, key or
network is needed.

  --plain-fetch   use fetch alone, as if no vendor SDK were installed
  --keep          leaves the sandbox and its page open at the end, until Ctrl-C, with a made-up month before today in its
                  dashboards: its metrics have the tag service:spendfuse-demo-history

It ends by itself otherwise. The exit code is 0 when every figure is right; estimates are marked.`;

const OPTIONS = {
  "plain-fetch": { type: "boolean" },
  keep: { type: "boolean" },
} as const;

type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "demo",
  summary: "see three agents metered against a local vendor's bill; no account, no key",
  help: HELP,
  options: OPTIONS,
  run,
});

async function run({ "plain-fetch": plainFetch = false, keep = false }: Values): Promise<number> {
  const { isMetered } = await import("../../demo/metering.ts");
  if (isMetered()) throw usage("run it without spendfuse/register: this process is metered already (see NODE_OPTIONS)");
  const { runDemo } = await import("../../demo/demo.ts");
  return await runDemo({ plainFetch, keep, style: createStyle(process.stdout) });
}
