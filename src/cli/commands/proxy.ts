import { DEFAULT_PORT, TOKEN_VARIABLE } from "../../proxy/server.ts";
import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse proxy: meters agent programs that cannot be hooked: Claude Code, Codex, Gemini CLI, opencode, Python.

It passes their requests on to the vendors, byte for byte, and prints the lines that point each program at it. Budgets,
circuits and export are those of the configuration, as in any process. Ctrl-C stops it.

  spendfuse proxy

  --port N        default ${DEFAULT_PORT}; 0 takes any free one
  --agent NAME    the agent of programs that name none; default: the program's own name. An address that begins with
                  /agent/NAME, a header x-spendfuse-agent and a name in "keys" win over it
  --calls FILE    writes one line of JSON per settled call
  --host H        the address; default 127.0.0.1. Others need a token in ${TOKEN_VARIABLE}, which requests carry as
                  x-spendfuse-token, or as /token/TOKEN at the beginning of the path

Where requests go is "proxy": { "upstreams": … } in spendfuse.config.json; without it: the vendors themselves, through
the proxy that HTTPS_PROXY names.`;

const OPTIONS = {
  port: { type: "string" },
  host: { type: "string" },
  agent: { type: "string" },
  calls: { type: "string" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "proxy",
  summary: "meter agent programs: Claude Code, Codex, Gemini CLI, opencode, Python",
  help: HELP,
  options: OPTIONS,
  run: async (values) => (await import("./proxy/run.ts")).run(values),
});
