import type { ConfigFile } from "../core/config-types.ts";
import { SpendfuseError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import type { ScopeFields, TagValues } from "../core/scope.ts";
import { declaredTags } from "../core/tags/tags.ts";
import { type Budget, readBudget } from "../limits/budget.ts";
import { SCHEMA } from "./compiled.ts";
import { type Env, readBoolean, readVariables, serviceOf } from "./environment.ts";
import { INLINE, readConfigText } from "./file.ts";
import { type Node, type ObjectNode, variableOf } from "./node.ts";
import { checkRows } from "./rows.ts";
import { exampleOf, isRecord } from "./suggestion.ts";
import { type Problem, validate } from "./validator.ts";
import { unknownVariables } from "./variables.ts";

/** The configuration of a process: file, environment and what `start()` was given, in one. */
export interface Config extends ConfigFile {
  readonly defaults: ScopeFields;
  /** The caps of `budgets`. */
  readonly caps: readonly Budget[];
  /** The environment as it was read, for the parts that resolve standard variables. */
  readonly env: Env;
  /** The path of the file, or `SPENDFUSE_CONFIG` where that holds the JSON; undefined without either. */
  readonly source: string | undefined;
}

type Values = Readonly<Record<string, unknown>>;

/** A problem, where it was found, and whether it makes the configuration unusable. */
interface Found extends Problem {
  /** Undefined where `says` names the source itself, as for a variable. */
  readonly source: string | undefined;
  readonly fatal: boolean;
}

const START = "start()";

/**
 * Reads the configuration once: defaults, then the file, then the environment, then what the caller gives.
 * @param warn called once per unknown key or variable that is ignored
 * @param strict unknown keys are errors; they always are in what the caller gives
 * @throws SpendfuseError `SPENDFUSE_CONFIG`. Its facts: `key`, `fix`, `problems` (`{ key, says, fix }` each), and
 *   `configured`, the keys that were set.
 */
export function readConfig(
  given: ConfigFile = {},
  env: Env = process.env,
  warn: (message: string, fix: string) => void = () => {},
  strict = isStrict(env),
): Config {
  const text = readConfigText(env);
  const found: Found[] = [];
  const file = text === undefined ? {} : check(text.json, text.source, strict, found);
  const variables = checkVariables(env, found);
  const own = check(given, START, true, found);
  const values = merge([file, variables, own], found);
  checkTags(values, env, found);
  const fatal = found.filter((problem) => problem.fatal);
  for (const problem of found) if (!problem.fatal) warn(ignored(textOf(problem)), problem.fix);
  if (fatal.length > 0) throw errorOf(fatal, Object.keys(values));
  return assemble(values, env, text?.source);
}

/** As {@link readConfig}, for a command: prints where its configuration comes from. @throws as {@link readConfig} */
export function readCommandConfig(say: (message: string) => void): Config {
  const config = readConfig({}, process.env, say);
  if (config.source !== undefined && config.source !== INLINE) say(`configuration from ${config.source}`);
  return config;
}

/** The fallback for an invalid configuration: our defaults, and the standard variables for where to send. */
export function defaultConfig(env: Env = process.env): Config {
  const others = Object.entries(env).filter(([name]) => !name.startsWith("SPENDFUSE_"));
  return assemble({}, Object.fromEntries(others), undefined);
}

/** The environment, for callers that need it even when the configuration is invalid. */
export const readEnvironment = (): Env => process.env;

/** Whether an invalid configuration must end the process. */
export function isStrict({ SPENDFUSE_STRICT }: Env = process.env): boolean {
  return isOn(SPENDFUSE_STRICT);
}

/** Whether the start line is suppressed. */
export function isQuiet({ SPENDFUSE_QUIET }: Env): boolean {
  return isOn(SPENDFUSE_QUIET);
}

/** A text that is no boolean counts as true. */
function isOn(text = ""): boolean {
  return text.trim() !== "" && readBoolean(text.trim()) !== false;
}

function check(json: unknown, source: string, strict: boolean, found: Found[]): Values {
  if (!isRecord(json)) {
    throw new SpendfuseError("SPENDFUSE_CONFIG", `${source} must hold one JSON object, such as { "mode": "enforce" }`, {
      source,
      fix: "{}",
    });
  }
  const { $schema: _, ...values } = json;
  const problems: Problem[] = [];
  const checked = validate(SCHEMA, values, "", problems) as Values;
  if (problems.every(({ ignorable }) => ignorable)) checkRows(checked, problems);
  for (const problem of problems) found.push({ ...problem, source, fatal: strict || !problem.ignorable });
  return checked;
}

function checkVariables(env: Env, found: Found[]): Values {
  const problems: Problem[] = [];
  const values = readVariables(env, problems);
  for (const problem of problems) found.push({ ...problem, source: undefined, fatal: true });
  for (const { name, hint } of unknownVariables(env)) {
    const says = `unknown variable ${name}${hint}`;
    found.push({ key: name, says, fix: `unset ${name}`, ignorable: true, source: undefined, fatal: isStrict(env) });
  }
  return values;
}

const TAG_VARIABLE = "SPENDFUSE_TAG_";

function tagVariable(tag: string): string {
  return TAG_VARIABLE + tag.toUpperCase();
}

/** The values of declared tags that the environment sets; undefined without any. */
function tagsFrom(declared: readonly string[], env: Env): TagValues | undefined {
  return declaredTags(Object.fromEntries(declared.map((tag) => [tag, env[tagVariable(tag)]])), declared);
}

/** Tags that a budget or a variable names must be declared. */
function checkTags({ tags = [], budgets = [] }: ConfigFile, env: Env, found: Found[]): void {
  // What is invalid has been reported, and may be of any type.
  if (found.some(({ fatal }) => fatal)) return;
  const declare = (name: string): string => `"tags": ${JSON.stringify([...tags, name])}`;
  for (const [index, { scope }] of budgets.entries()) {
    for (const name of Object.keys(scope?.tags ?? {})) {
      if (tags.includes(name)) continue;
      const key = `budgets[${index}].scope.tags.${name}`;
      const fix = nearest(name, tags)[0] ?? declare(name);
      const says = `${key} names a tag that "tags" does not declare; write ${fix}`;
      found.push({ key, says, fix, ignorable: false, source: undefined, fatal: true });
    }
  }
  for (const variable of Object.keys(env).filter((name) => name.startsWith(TAG_VARIABLE) && env[name])) {
    if (tags.some((tag) => tagVariable(tag) === variable)) continue;
    const name = variable.slice(TAG_VARIABLE.length).toLowerCase();
    const says = `variable ${variable}; "tags" does not declare ${name}`;
    found.push({ key: variable, says, fix: declare(name), ignorable: true, source: undefined, fatal: isStrict(env) });
  }
}

/** Later layers win, key by key; sections such as `breaker` are merged. */
function merge([file, variables, own]: readonly [Values, Values, Values], found: Found[]): Values {
  const merged: Record<string, unknown> = {};
  for (const [key, node] of Object.entries(SCHEMA.keys)) {
    const layers = [file[key], variables[key], own[key]].filter((value) => value !== undefined);
    if (layers.length === 0) continue;
    if (node.kind !== "object" || layers.length === 1) merged[key] = layers.at(-1);
    else merged[key] = Object.assign({}, ...layers.map(defined));
    if (node.kind === "object" && variables[key] !== undefined) checkWhole(key, node, merged[key], found);
  }
  return merged;
}

/** A section that is partly set by variables must be complete after merging. */
function checkWhole(section: string, { keys, required = [] }: ObjectNode, value: unknown, found: Found[]): void {
  for (const key of required) {
    if (!isRecord(value) || value[key] !== undefined) continue;
    const fix = `${variableOf([section, key])}=${exampleOf(keys[key] as Node)}`;
    const says = `${section} is set by the environment, and needs "${key}"; write ${fix}`;
    found.push({ key: `${section}.${key}`, says, fix, ignorable: false, source: undefined, fatal: true });
  }
}

function defined(section: unknown): Values {
  return Object.fromEntries(Object.entries(section as Values).filter(([, value]) => value !== undefined));
}

function assemble(values: ConfigFile, env: Env, source: string | undefined): Config {
  const { agent = serviceOf(env), team, project } = values;
  const tags = tagsFrom(values.tags ?? [], env);
  const defaults = Object.freeze(defined({ agent, team, project, tags }));
  const caps = (values.budgets ?? []).flatMap(readBudget);
  return Object.freeze({ ...values, caps, defaults, env, source });
}

/** One problem in one line; several in a line each. */
function errorOf(fatal: readonly Found[], configured: readonly string[]): SpendfuseError {
  const [{ key, fix, source } = { key: "", fix: "", source: undefined }] = fatal;
  const problems = fatal.map((problem) => ({ key: problem.key, says: textOf(problem), fix: problem.fix }));
  const facts = { source: source ?? key, key, fix, problems, configured };
  return new SpendfuseError("SPENDFUSE_CONFIG", fatal.map(textOf).join("\n  "), facts);
}

function textOf({ source, says }: Found): string {
  return source === undefined ? says : `${source}: ${says}`;
}

/** `unknown key "budget"; did you mean …` becomes `unknown key "budget" ignored; did you mean …`. */
function ignored(says: string): string {
  const end = says.indexOf(";");
  return end < 0 ? `${says} ignored` : `${says.slice(0, end)} ignored${says.slice(end)}`;
}
