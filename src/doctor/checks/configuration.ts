import { isStrict } from "../../config/config.ts";
import { FILE, INLINE } from "../../config/file.ts";
import type { Facts } from "../facts.ts";
import { counted, fault, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

const SCHEMA = '"$schema": "./node_modules/spendfuse/config.schema.json"';

/** The configuration is valid. */
export const configuration: Check = {
  name: "configuration",
  group: "app",
  *check({ configuration: { problems, notes, config }, env }) {
    const subject = env.SPENDFUSE_CONFIG ? "SPENDFUSE_CONFIG" : FILE;
    const effect = isStrict(env) ? "the app does not start" : "the app runs with the defaults, without budgets";
    for (const { says, fix = "see docs/configuration.md" } of problems)
      yield fault("config-wrong", subject, `${bare(says, fix)}; ${effect}`, fix);
    for (const { says, fix = SCHEMA } of notes) yield note("config-unknown-key", subject, bare(says, fix), fix);
    if (problems.length === 0 && notes.length === 0) yield ok("config", subject, about(config));
  },
};

/** Without the file and the fix, which are shown beside it. */
function bare(message: string, fix: string): string {
  return message.replace(`${FILE}: `, "").replace(`; write ${fix}`, "");
}

function about(config: Facts["configuration"]["config"]): string {
  const { env: _env, caps, defaults: _defaults, source, ...keys } = config;
  const names = Object.keys(keys);
  const from = source === undefined || source === INLINE ? "" : `, from ${source}`;
  if (names.length === 0) return `defaults: nothing is configured${from}`;
  const budgets = caps.length === 0 ? "no budgets" : counted(caps.length, "budget");
  return `valid: ${names.join(", ")}; ${budgets}${from}`;
}
