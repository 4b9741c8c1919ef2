import { exampleStore } from "../../stores/addresses.ts";
import type { Facts } from "../facts.ts";
import type { Check } from "./check.ts";

const OURS = /^(?:SPENDFUSE|OTEL|DD)_|_(?:API_KEY|BASE_URL)$/;
const FILE = "spendfuse.config.json";

export const configuration: Check = {
  name: "configuration",
  group: "app",
  says: "the configuration can be read, and .env is read by somebody",
  *check({ configuration: { fault, notes, config }, env, envFile }) {
    const subject = env.SPENDFUSE_CONFIG ? "SPENDFUSE_CONFIG" : FILE;
    if (fault !== undefined)
      yield {
        id: "config-wrong",
        level: "fault",
        subject,
        says: `${bare(fault)}; the app runs with the defaults, without budgets`,
        fix: fixOf(fault),
      };
    else if (notes.length === 0) yield { id: "config", level: "ok", subject, says: about(config) };
    for (const note of notes)
      yield {
        id: "config-unknown-key",
        level: "note",
        subject,
        says: bare(note),
        fix: '"$schema": "./node_modules/spendfuse/config.schema.json"',
      };
    const names = envFile.names.filter((name) => OURS.test(name));
    if (names.length > 0 && !envFile.isRead)
      yield {
        id: "env-file-unused",
        level: "note",
        subject: ".env",
        says: `sets ${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""}, and nothing is seen that reads it`,
        fix: "node --env-file=.env --import spendfuse/register app.js",
      };
  },
};

/** The subject says already in which file. */
function bare(message: string): string {
  return message.startsWith(`${FILE}: `) ? message.slice(FILE.length + 2) : message;
}

function about(config: Facts["configuration"]["config"]): string {
  const { env: _env, caps, defaults: _defaults, ...keys } = config;
  const names = Object.keys(keys);
  const budgets = caps.length === 0 ? "no budgets" : `${caps.length} ${caps.length === 1 ? "budget" : "budgets"}`;
  return names.length === 0 ? "the defaults: nothing is configured" : `right: ${names.join(", ")}; ${budgets}`;
}

/** What the message itself asks for, else the place where every key is described. */
function fixOf(fault: string): string {
  if (/ is not JSON: /.test(fault)) return `node -p "JSON.parse(require('fs').readFileSync('${FILE}', 'utf8'))"`;
  if (/^SPENDFUSE_CONFIG names /.test(fault)) return "unset SPENDFUSE_CONFIG";
  const key = Object.keys(EXAMPLES).find((name) => fault.includes(`"${name}"`) || fault.startsWith(`${name}[`));
  const variable = /^(SPENDFUSE_(?!CONFIG)\w+)/.exec(fault)?.[1];
  if (variable !== undefined) return `${variable}=${key === undefined ? "true" : JSON.parse(EXAMPLES[key] ?? '""')}`;
  if (key !== undefined) return `"${key}": ${EXAMPLES[key]}`;
  const [, name, kind] = /"([\w$]+)" must be an? (\w+), not/.exec(fault) ?? [];
  if (name !== undefined) return `"${name}": ${EMPTY[kind ?? ""] ?? "…"}`;
  return "see config.schema.json of the package";
}

const EMPTY: Readonly<Record<string, string>> = { string: '"…"', boolean: "true", object: "{}", array: "[]" };

/** One right value of the keys that are most often wrong. */
const EXAMPLES: Readonly<Record<string, string>> = {
  budgets: '[{ "scope": { "agent": "*" }, "per": "hour", "usd": 20 }]',
  mode: '"enforce"',
  store: JSON.stringify(exampleStore("host")),
  whenStateUnknown: '"open"',
  stateTimeout: '"50ms"',
  unpriced: '"allow"',
  breaker: '{ "url": "http://127.0.0.1:4319" }',
  repeats: '{ "max": 20, "within": "5m" }',
  billing: '{ "db": "spendfuse-bill.db" }',
  hosts: '[{ "host": "llm.example.com", "like": "api.openai.com" }]',
  agent: '"support-bot"',
};
