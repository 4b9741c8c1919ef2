import { isStrict } from "../../config/config.ts";
import { FILE, INLINE } from "../../config/file.ts";
import type { Facts } from "../facts.ts";
import type { Check } from "./check.ts";

const OURS = /^(?:SPENDFUSE|OTEL|DD)_|_(?:API_KEY|BASE_URL)$/;
const SCHEMA = '"$schema": "./node_modules/spendfuse/config.schema.json"';

/** The configuration is valid, and something loads .env. */
export const configuration: Check = {
  name: "configuration",
  group: "app",
  *check({ configuration: { problems, notes, config }, env, envFile }) {
    const subject = env.SPENDFUSE_CONFIG ? "SPENDFUSE_CONFIG" : FILE;
    const effect = isStrict(env) ? "the app does not start" : "the app runs with the defaults, without budgets";
    for (const { says, fix = "see docs/configuration.md" } of problems)
      yield { id: "config-wrong", level: "fault", subject, says: `${bare(says, fix)}; ${effect}`, fix };
    if (problems.length === 0 && notes.length === 0) yield { id: "config", level: "ok", subject, says: about(config) };
    for (const { says, fix = SCHEMA } of notes)
      yield { id: "config-unknown-key", level: "note", subject, says: bare(says, fix), fix };
    const names = envFile.names.filter((name) => OURS.test(name));
    if (names.length > 0 && !envFile.isRead)
      yield {
        id: "env-file-unused",
        level: "note",
        subject: ".env",
        says: `sets ${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""}, but nothing seems to load it`,
        fix: "node --env-file=.env --import spendfuse/register app.js",
      };
  },
};

/** Without the file and the fix, which have places of their own. */
function bare(message: string, fix: string): string {
  return message.replace(`${FILE}: `, "").replace(`; write ${fix}`, "");
}

function about(config: Facts["configuration"]["config"]): string {
  const { env: _env, caps, defaults: _defaults, source, ...keys } = config;
  const names = Object.keys(keys);
  const budgets = caps.length === 0 ? "no budgets" : `${caps.length} ${caps.length === 1 ? "budget" : "budgets"}`;
  const from = source === undefined || source === INLINE ? "" : `, from ${source}`;
  return names.length === 0
    ? `the defaults: nothing is configured${from}`
    : `right: ${names.join(", ")}; ${budgets}${from}`;
}
