import { GEN_AI_METRICS, METRICS, type MetricName } from "../../src/core/names.ts";
import { counts, missingPaths, missingPlaces } from "./places.ts";
import { closure, code, filesIn, importsOf, type Tree } from "./tree.ts";

/** One law of DESIGN.md. It returns what breaks it, a line each. */
export type Law = (tree: Tree) => readonly string[];

/** The pure rooms, each with the rooms that it may import. */
const PURE: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  limits: ["limits", "core"],
  pricing: ["pricing", "core"],
};
/** Imports the price library, and node:module to find it. */
const PACKAGE_LOADERS = new Set(["src/pricing/open.ts"]);

const ROOT_FILES = new Set(["src/index.ts", "src/register.ts", "src/instrumentation.ts"]);
const MAX_FILES = 17;

/** Flows never import one another; they are wired in `process/` and `cli/`. */
const FLOWS = ["meter", "breaker", "billing", "guard"];

/** A call is the same whatever carries it. */
const TRANSPORT_FREE = [
  "src/meter/call",
  "src/meter/estimates",
  "src/meter/wire",
  "src/meter/identity",
  "src/meter/tracing",
  "src/meter/metrics",
  "src/guard",
];

/** Folders that grow by one file and one line. */
const PLUGINS: readonly {
  readonly folder: string;
  readonly contract: string;
  readonly beside?: readonly string[];
  /** Whether the registry loads an instance when it is used: `name: () => import("./name.ts"),`. */
  readonly lazy?: boolean;
}[] = [
  { folder: "src/meter/transports", contract: "transport.ts", beside: ["installation.ts", "bodies", "bypass"] },
  { folder: "src/meter/wire/formats", contract: "format.ts" },
  { folder: "src/meter/wire/gateways", contract: "gateway.ts", beside: ["host-gateway.ts", "served-as.ts"] },
  { folder: "src/meter/identity/frameworks", contract: "framework.ts" },
  { folder: "src/billing/vendors", contract: "vendor.ts" },
  { folder: "src/billing/late/vendors", contract: "late-vendor.ts" },
  { folder: "src/pricing/overlay", contract: "vendor-prices.ts" },
  { folder: "src/stores", contract: "store.ts", beside: ["addresses.ts", "open.ts"] },
  { folder: "src/datadog/lints", contract: "lint.ts" },
  { folder: "src/doctor/checks", contract: "check.ts" },
  { folder: "src/sandbox/page/widgets", contract: "widget.ts" },
  { folder: "src/cli/commands", contract: "command.ts", lazy: true },
];

/** Programs of their own read their own environment; everything else gets it from `config.ts`. */
const ENV_READERS: ReadonlyMap<string, string> = new Map([
  ["src/config/config.ts", "the one reader"],
  ["src/meter/export/sender.ts", "a process of its own; keys in its arguments would show in a process list"],
]);
const ENV =
  /\bprocess\s*\??\.\s*env\b|\bprocess\s*\[|\{[^{}]*\benv\b[^{}]*\}\s*=\s*(?:globalThis\.)?process\b|node:process/;

/** What an app loads before its own first line. */
const AGENT_PATH = ["src/index.ts", "src/register.ts"];
/** Of Node's modules, those whose import makes it load hardly anything. */
const LIGHT_MODULES = new Set([
  "async_hooks",
  "diagnostics_channel",
  "events",
  "path",
  "stream",
  "timers",
  "url",
  "util/types",
  // A law of its own is about it.
  "sqlite",
]);
const AGENT_ROOMS = ["src/core", "src/meter", "src/guard"];

/** Never loaded in an agent, not even later. */
const FOREIGN =
  /^(@datadog\/|dd-trace|redis$|@redis\/|ioredis$|openai$|@openai\/|@anthropic-ai\/|@google\/|@mistralai\/|cohere-ai$|ai$|@ai-sdk\/)/;

const MAX_LINES = 260;
/** Tables of facts, and what is generated of them, which are longer than code may be. */
const DATA_TABLES = new Set(["src/meter/wire/hosts.ts", "src/config/compiled.ts", "src/core/config-types.ts"]);

/** Set by Datadog, the Collector or Prometheus: a tag of such a name is overwritten, doubled or fails the scrape. */
const BACKEND_LABELS = new Set(["host", "device", "service", "env", "version", "job", "instance", "le", "quantile"]);

const BANNED_NAME = /(^|[/-])(utils?|helpers?|common|managers?)([/.-]|$)/;
// Written apart, so that this file does not break its own law.
const MARKERS = new RegExp(["TO" + "DO", "FIX" + "ME", "\\b(?:test|it|describe)\\.on" + "ly\\("].join("|"));
const REGISTRY_HOST =
  /\bregistry\.[a-z0-9-]+\.[a-z]{2,}|npm\.pkg\.github\.com|\b[a-z0-9.-]*(?:artifactory|verdaccio|jfrog)[a-z0-9.-]*\.[a-z]{2,}|^\s*"resolved":|^registry\s*=/m;

export const LAWS: Readonly<Record<string, Law>> = {
  "core, limits and pricing import only one another, downwards": (tree) =>
    Object.entries(PURE).flatMap(([room, allowed]) =>
      filesIn(tree, `src/${room}`)
        .flatMap((path) => importsOf(tree, path))
        .filter(
          ({ from, to, kind }) =>
            !allowed.some((other) => to.startsWith(`src/${other}/`)) &&
            (to.startsWith("src/") || (kind !== "type" && !PACKAGE_LOADERS.has(from))),
        )
        .map(({ from, to }) => `${from} imports ${to}`),
    ),

  "the root of src is what users import": (tree) =>
    filesIn(tree, "src").filter((path) => !path.slice("src/".length).includes("/") && !ROOT_FILES.has(path)),

  "a folder stays small": (tree) => {
    const sizes = new Map<string, number>();
    for (const path of filesIn(tree, "src", "")) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      sizes.set(folder, (sizes.get(folder) ?? 0) + 1);
    }
    return [...sizes].filter(([, size]) => size > MAX_FILES).map(([folder, size]) => `${folder} holds ${size} files`);
  },

  "flows never import one another": (tree) =>
    FLOWS.flatMap((flow) =>
      filesIn(tree, `src/${flow}`)
        .flatMap((path) => importsOf(tree, path))
        .filter(({ to }) => FLOWS.some((other) => other !== flow && to.startsWith(`src/${other}/`)))
        .map(({ from, to }) => `${from} imports ${to}`),
    ),

  "what is metered knows no transport": (tree) =>
    TRANSPORT_FREE.flatMap((room) => filesIn(tree, room))
      .flatMap((path) => importsOf(tree, path))
      .filter(({ to }) => to.startsWith("src/meter/transports/"))
      .map(({ from, to }) => `${from} imports ${to}`),

  "a plug-in folder equals its registry": (tree) => PLUGINS.flatMap((plugin) => pluginFaults(tree, plugin)),

  "an instance is found where people and tests look for it": missingPlaces,

  "no document counts what grows": counts,

  "the paths in the documents of contributors exist": missingPaths,

  "only config.ts reads the environment": (tree) =>
    filesIn(tree, "src").filter((path) => !ENV_READERS.has(path) && ENV.test(code(tree.get(path) ?? ""))),

  // Texts for people; the agent's path loads what is compiled of them.
  "the schema's source is read at build time only": (tree) =>
    filesIn(tree, "src")
      .filter((path) => !path.startsWith("src/config/schema/"))
      .flatMap((path) => importsOf(tree, path))
      .filter(({ to }) => to.startsWith("src/config/schema/"))
      .map(({ from, to }) => `${from} imports ${to}`),

  // What plays the vendor must not be right because it shares our mistakes; how it listens says nothing of vendors.
  "the demo's vendor imports nothing of ours": (tree) =>
    [...filesIn(tree, "src/demo/fake-vendor"), "src/demo/fake-vendor.ts"]
      .flatMap((path) => importsOf(tree, path))
      .filter(({ to }) => to.startsWith("src/") && !/^src\/(?:demo\/fake-vendor|http)\//.test(to))
      .map(({ from, to }) => `${from} imports ${to}`),

  // Types included: two files that need each other's types can only be understood together, too.
  "no import cycles": (tree) => findCycles(tree, filesIn(tree, "src")),

  "the agent path loads only Node's own modules": (tree) =>
    [...closure(tree, AGENT_PATH, ["static"])]
      .flatMap((path) => importsOf(tree, path))
      .filter(({ to, kind }) => kind === "static" && !to.startsWith("src/") && !to.startsWith("node:"))
      .map(({ from, to }) => `${from} loads ${to}`),

  // Others are loaded by `process.getBuiltinModule`: an import makes Node load all that a module ever loads.
  "the agent path imports only light modules of Node": (tree) =>
    [...closure(tree, AGENT_PATH, ["static"])]
      .flatMap((path) => importsOf(tree, path))
      .filter(({ to, kind }) => kind === "static" && to.startsWith("node:") && !LIGHT_MODULES.has(to.slice(5)))
      .map(({ from, to }) => `${from} imports ${to}`),

  // A store's description is loaded everywhere, for its address; the store itself when it is opened.
  "the agent path loads no store that it does not open": (tree) =>
    [...closure(tree, AGENT_PATH, ["static"])]
      .flatMap((path) => importsOf(tree, path))
      .filter(
        ({ to, kind }) => kind === "static" && (to === "node:sqlite" || /^src\/stores\/[^/]+\/store\.ts$/.test(to)),
      )
      .map(({ from, to }) => `${from} loads ${to}`),

  "the agent path waits for nothing at its top": (tree) =>
    [...closure(tree, AGENT_PATH, ["static"])].filter((path) =>
      /^(?:(?:export )?(?:const|let) [^=]+=\s*)?await\b/m.test(code(tree.get(path) ?? "")),
    ),

  "an agent never loads a vendor SDK, Redis or the Datadog client": (tree) =>
    [...closure(tree, AGENT_PATH, ["static", "dynamic"]), ...AGENT_ROOMS.flatMap((room) => filesIn(tree, room))]
      .flatMap((path) => importsOf(tree, path))
      .filter(({ to, kind }) => kind !== "type" && FOREIGN.test(to))
      .map(({ from, to }) => `${from} loads ${to}`),

  "assets use only names that we emit": (tree) =>
    ["dashboards", "monitors"].flatMap((folder) =>
      filesIn(tree, folder, ".json").flatMap((path) =>
        assetFaults(tree.get(path) ?? "").map((what) => `${path}: ${what}`),
      ),
    ),

  "files are named for what they hold": (tree) => [...tree.keys()].filter((path) => BANNED_NAME.test(path)),

  "files stay small": (tree) =>
    filesIn(tree, "src").filter(
      (path) => !DATA_TABLES.has(path) && (tree.get(path) ?? "").split("\n").length > MAX_LINES + 1,
    ),

  "nothing is left for later": (tree) =>
    ["src", "test", "bench", "examples"]
      .flatMap((folder) => filesIn(tree, folder))
      .filter((path) => MARKERS.test(tree.get(path) ?? "")),

  "no tag has the name of a label that a backend sets": (tree) =>
    [...(tree.get("src/core/names.ts") ?? "").matchAll(/"([a-z_]+)"/g)].flatMap(([, name = ""]) =>
      BACKEND_LABELS.has(name) ? [`the tag ${name}`] : [],
    ),

  "no registry host in the repository": (tree) =>
    [...tree]
      .filter(([path, text]) => !path.startsWith("test/architecture") && REGISTRY_HOST.test(text))
      .map(([path]) => path),
};

function pluginFaults(
  tree: Tree,
  { folder, contract, beside, lazy = false }: (typeof PLUGINS)[number],
): readonly string[] {
  const all = filesIn(tree, folder).map((path) => path.slice(folder.length + 1));
  // A folder inside is a part of the instance of its name.
  const files = all.filter((name) => !name.includes("/"));
  if (files.length === 0) return [];
  const faults: string[] = [];
  for (const name of all.filter((path) => path.includes("/"))) {
    const part = name.split("/")[0] as string;
    if (!files.includes(`${part}.ts`) && !beside?.includes(part)) faults.push(`${folder}/${name} is a part of nothing`);
  }
  for (const name of [contract, "registry.ts"]) if (!files.includes(name)) faults.push(`${folder} has no ${name}`);
  const instances = files
    .filter((name) => name !== contract && !beside?.includes(name) && name !== "registry.ts")
    .map((name) => name.replace(/\.ts$/, ""));
  const registry = code(tree.get(`${folder}/registry.ts`) ?? "");
  const entries = lazy ? (/= \{\n(.*?)^\};$/ms.exec(registry)?.[1] ?? "") : registry;
  const lines = entries.split("\n").filter((line) => line.trim() !== "");
  const expected = instances.map((name) =>
    lazy ? `  ${propertyName(name)}: () => import("./${name}.ts"),` : `export { ${camel(name)} } from "./${name}.ts";`,
  );
  for (const line of lines)
    if (!expected.includes(line)) faults.push(`${folder}/registry.ts has a line of no file: ${line}`);
  for (const line of expected) if (!lines.includes(line)) faults.push(`${folder}/registry.ts lacks: ${line}`);
  if (new Set(lines).size < lines.length) faults.push(`${folder}/registry.ts says a line twice`);
  for (const name of instances) {
    // Datadog's own names have underscores.
    if (
      !(tree.get(`${folder}/${name}.ts`) ?? "").includes(
        `name: "${folder.endsWith("/widgets") ? name.replaceAll("-", "_") : name}"`,
      )
    )
      faults.push(`${folder}/${name}.ts is not named "${name}"`);
  }
  return faults;
}

const propertyName = (name: string): string => (name.includes("-") ? `"${name}"` : name);

const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

function findCycles(tree: Tree, files: readonly string[]): readonly string[] {
  const state = new Map<string, "open" | "done">();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === "done" || !tree.has(path)) return;
    const here = [...trail, path];
    if (state.get(path) === "open") {
      found.push(here.slice(trail.indexOf(path)).join(" -> "));
      return;
    }
    state.set(path, "open");
    for (const { to, kind } of importsOf(tree, path)) if (kind !== "dynamic") visit(to, here);
    state.set(path, "done");
  };
  for (const file of files) visit(file, []);
  return found;
}

const METRIC_OF = new Map<string, MetricName>(
  [...Object.values(METRICS), ...Object.values(GEN_AI_METRICS)].map((metric) => [metric.name, metric]),
);
/** Tags that Datadog itself puts on what it takes in. */
const DATADOG_TAGS = ["env", "host", "service", "version"];
const ALL_TAGS = new Set([...[...METRIC_OF.values()].flatMap(({ attributes }) => attributes), ...DATADOG_TAGS]);
// The configuration file has a name of the same kind.
const METRIC = /\b(?:spendfuse|gen_ai\.client)\.(?!config\.json)[a-z_]+(?:\.[a-z_]+)*(?![\w.]*\()/g;
const QUERY = /\b((?:spendfuse|gen_ai)\.[\w.]+)\{([^}]*)\}(?:\s*by\s*\{([^}]*)\})?/g;

/** Metrics and tags of a dashboard or a monitor that nothing of ours emits. */
function assetFaults(text: string): readonly string[] {
  const faults: string[] = [];
  const visit = (value: unknown, key: string): void => {
    if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) visit(inner, name);
      return;
    }
    if (typeof value !== "string") return;
    for (const [name] of value.matchAll(METRIC)) if (!METRIC_OF.has(name)) faults.push(`no metric ${name}`);
    for (const [, name = "", filter = "", by = ""] of value.matchAll(QUERY)) {
      const known = new Set<string>([...(METRIC_OF.get(name)?.attributes ?? ALL_TAGS), ...DATADOG_TAGS]);
      const filtered = [...filter.matchAll(/(?:^|[\s,(!])!?([a-z_.]+)(?=:|\s+(?:NOT\s+)?IN\b)/g)].map(
        ([, tag = ""]) => tag,
      );
      for (const tag of [...filtered, ...by.split(",").map((part) => part.trim())]) {
        if (tag !== "" && !known.has(tag)) faults.push(`${name} has no tag ${tag}`);
      }
    }
    if (key === "prefix" && !ALL_TAGS.has(value)) faults.push(`no tag ${value}`);
    for (const [, tag = ""] of value.matchAll(/\{\{\s*(?:[#^]?is_\w+\s+"?)?([a-z_]+)\.name\b/g)) {
      if (!ALL_TAGS.has(tag)) faults.push(`no tag ${tag} in a message`);
    }
  };
  visit(JSON.parse(text), "");
  return faults;
}
