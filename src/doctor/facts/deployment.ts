import { CONTAINERS, ECOSYSTEMS } from "./launches.ts";
import { readText } from "./packages.ts";

/** How the app runs elsewhere, from its deployment files. */
export interface Deployment {
  /** Variables by name. A value may be a secret, or a reference to one. */
  readonly variables: ReadonlyMap<string, { readonly value: string; readonly where: string }>;
  /** Requested versions of Node. */
  readonly nodes: readonly { readonly version: string; readonly where: string }[];
  /** Where several processes are configured, if they are. */
  readonly several: string | undefined;
}

const FILES = [...CONTAINERS, ...ECOSYSTEMS, "Procfile", "app.json", "fly.toml", "render.yaml"];
const VARIABLE =
  /\b((?:OTEL|DD|SPENDFUSE|OPENAI|ANTHROPIC|GEMINI|GOOGLE|MISTRAL)_[A-Z0-9_]+|WEB_CONCURRENCY)\b["']?\s*[=:]\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s,#]+))/g;
const NODE_IMAGE = /^\s*FROM\s+(?:\S+\/)?node:v?(\d+(?:\.\d+){0,2})/gim;
const SEVERAL =
  /\binstances["']?\s*:\s*["']?(?:max\b|-1|0\b|[2-9]|1\d)|\breplicas\s*:\s*(?:[2-9]|1\d)|\bpm2\S{0,20}\s[^\n]{0,200}\s-i\s*(?:max|-1|0|[2-9])/;

/** @param scripts of `package.json` */
export function readDeployment(dir: string, scripts: Readonly<Record<string, string>>): Deployment {
  const variables = new Map<string, { value: string; where: string }>();
  const nodes: { version: string; where: string }[] = [];
  let several: string | undefined;
  const look = (text: string, where: string): void => {
    if (SEVERAL.test(text)) several ??= where;
  };
  for (const where of FILES) {
    const text = readText(dir, where);
    if (text === undefined) continue;
    for (const [, name = "", double, single, plain] of text.matchAll(VARIABLE))
      if (!variables.has(name)) variables.set(name, { value: double ?? single ?? plain ?? "", where });
    for (const [, version = ""] of text.matchAll(NODE_IMAGE)) nodes.push({ version, where });
    look(text, where);
  }
  for (const [name, command] of Object.entries(scripts)) look(command, `package.json, script "${name}"`);
  for (const where of [".nvmrc", ".node-version"]) {
    const version = /^\s*v?(\d+(?:\.\d+){0,2})\s*$/.exec(readText(dir, where) ?? "")?.[1];
    if (version !== undefined) nodes.push({ version, where });
  }
  if (Number(variables.get("WEB_CONCURRENCY")?.value) > 1) several ??= "WEB_CONCURRENCY";
  return { variables, nodes, several };
}
