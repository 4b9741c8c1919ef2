import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { LAWS } from "./laws.ts";
import { readTree, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const repository = readTree(ROOT);

/** A small house that keeps every law. */
const HOUSE: Readonly<Record<string, string>> = {
  "src/index.ts": 'import { a } from "./core/a.ts";\nimport { hook } from "./meter/hook.ts";\nexport { a, hook };\n',
  "src/register.ts": 'import "./index.ts";\n',
  "src/config/config.ts": "export const env = process.env;\n",
  "src/core/a.ts": "// process.env is not read here\nexport const a = 1;\n",
  "src/meter/wire/hosts.ts": "\n".repeat(400),
  "src/meter/hook.ts":
    'import { channel } from "node:diagnostics_channel";\nimport type OpenAI from "openai";\nimport { a } from "../core/a.ts";\nexport const hook = () => import("@opentelemetry/sdk-metrics");\nexport type X = OpenAI;\n',
  "src/meter/wire/formats/format.ts": "export interface WireFormat {}\n",
  "src/meter/wire/formats/registry.ts": 'export { openaiChat } from "./openai-chat.ts";\n',
  "src/meter/wire/formats/openai-chat.ts": 'export const openaiChat = { name: "openai-chat" };\n',
  "src/cli/main.ts": 'import "../meter/hook.ts";\nimport "../billing/poll.ts";\nimport OpenAI from "openai";\n',
  "src/cli/commands/command.ts": "export interface Command {}\n",
  "src/cli/commands/registry.ts":
    'export const COMMANDS: Record<string, unknown> = {\n  poll: () => import("./poll.ts"),\n};\n',
  "src/cli/commands/poll.ts": 'export const command = { name: "poll" };\n',
  "src/billing/poll.ts": 'import { a } from "../core/a.ts";\nexport { a };\n',
  "monitors/agent.json": JSON.stringify({
    query: "sum(last_5m):sum:spendfuse.cost{agent:*,!team:search,env:prod} by {agent,root_agent}.as_count() > 20",
    message: "{{agent.name}} {{#is_exact_match}} spends",
    template_variables: [{ name: "who", prefix: "agent" }],
  }),
  "scenarios/agent.json": "{}",
  "docs/datadog.md": "The monitor `agent`, and the dashboard Spend.\n",
  "package-lock.json": '{ "packages": { "node_modules/a": { "version": "1.0.0" } } }',
};

const plus = (path: string, text: string): Record<string, string> => ({ [path]: (HOUSE[path] ?? "") + text });
const later = `${"TO"}${"DO"}`;

/** What is added to the house, and the one law that must see it. */
const BREACHES: readonly (readonly [law: string, files: Readonly<Record<string, string>>])[] = [
  [
    "core, limits and pricing import only one another, downwards",
    { "src/core/b.ts": 'import { hook } from "../meter/hook.ts";\n' },
  ],
  [
    "core, limits and pricing import only one another, downwards",
    { "src/core/b.ts": 'import type { Price } from "../pricing/price.ts";\n' },
  ],
  [
    "core, limits and pricing import only one another, downwards",
    { "src/core/b.ts": 'import { hash } from "node:crypto";\n' },
  ],
  [
    "core, limits and pricing import only one another, downwards",
    { "src/core/b.ts": 'export const later = () => import("../meter/hook.ts");\n' },
  ],
  [
    "core, limits and pricing import only one another, downwards",
    { "src/limits/b.ts": 'import type { Price } from "../pricing/price.ts";\n' },
  ],
  [
    "core, limits and pricing import only one another, downwards",
    { "src/pricing/b.ts": 'import { readFileSync } from "node:fs";\n' },
  ],
  [
    "what is metered knows no transport",
    {
      "src/meter/call/b.ts": 'import type { fetch } from "../transports/fetch.ts";\n',
      "src/meter/transports/fetch.ts": 'export const fetch = { name: "fetch" };\n',
      "src/meter/transports/transport.ts": "",
      "src/meter/transports/registry.ts": 'export { fetch } from "./fetch.ts";\n',
    },
  ],
  [
    "core, limits and pricing import only one another, downwards",
    { "src/pricing/open.ts": 'import type { Config } from "../config/config.ts";\n' },
  ],
  [
    "the schema's source is read at build time only",
    { "src/config/b.ts": 'import { SCHEMA } from "./schema/schema.ts";\n' },
  ],
  ["the root of src is what users import", { "src/runtime.ts": "" }],
  ["a folder stays small", Object.fromEntries(Array.from({ length: 18 }, (_, n) => [`src/sandbox/${n}.ts`, ""]))],
  ["flows never import one another", { "src/meter/b.ts": 'import type { a } from "../billing/poll.ts";\n' }],
  ["flows never import one another", { "src/guard/b.ts": 'import { hook } from "../meter/hook.ts";\n' }],
  ["flows never import one another", { "src/breaker/b.ts": 'export * from "../guard/verdict.ts";\n' }],
  ["flows never import one another", { "src/billing/b.ts": 'import {\n  hook,\n} from "../meter/hook.ts";\n' }],
  [
    "a plug-in folder equals its registry",
    { "src/meter/wire/formats/bedrock.ts": 'export const bedrock = { name: "bedrock" };\n' },
  ],
  [
    "a plug-in folder equals its registry",
    plus("src/meter/wire/formats/registry.ts", 'export { bedrock } from "./bedrock.ts";\n'),
  ],
  [
    "a plug-in folder equals its registry",
    plus("src/meter/wire/formats/registry.ts", 'export { openaiChat } from "./openai-chat.ts";\n'),
  ],
  [
    "a plug-in folder equals its registry",
    { "src/meter/wire/formats/openai-chat.ts": 'export const openaiChat = { name: "chat" };\n' },
  ],
  [
    "a plug-in folder equals its registry",
    { "src/meter/wire/formats/registry.ts": 'export { chat } from "./openai-chat.ts";\n' },
  ],
  ["a plug-in folder equals its registry", { "src/stores/redis.ts": 'export const redis = { name: "redis" };\n' }],
  ["a plug-in folder equals its registry", { "src/cli/commands/top.ts": 'export const command = { name: "top" };\n' }],
  [
    "a plug-in folder equals its registry",
    {
      "src/cli/commands/registry.ts":
        'export const COMMANDS = {\n  poll: () => import("./poll.ts"),\n  top: () => import("./top.ts"),\n};\n',
    },
  ],
  ["an instance is found where people and tests look for it", { "monitors/b.json": "{}", "scenarios/b.json": "{}" }],
  [
    "an instance is found where people and tests look for it",
    { "monitors/b.json": "{}", "docs/datadog.md": "The monitors `agent` and `b`.\n" },
  ],
  ["an instance is found where people and tests look for it", { "scenarios/b.json": "{}" }],
  ["an instance is found where people and tests look for it", { "dashboards/b.json": '{ "title": "Other" }' }],
  [
    "an instance is found where people and tests look for it",
    { "dashboards/b.json": '{ "title": "Spend", "widgets": [{ "definition": { "type": "heatmap" } }] }' },
  ],
  [
    "an instance is found where people and tests look for it",
    { "src/datadog/parameters.ts": '{ name: "usd", monitor: "agent" }\n' },
  ],
  [
    "an instance is found where people and tests look for it",
    {
      "src/billing/vendors/vendor.ts": "",
      "src/billing/vendors/registry.ts": 'export { mistral } from "./mistral.ts";\n',
      "src/billing/vendors/mistral.ts": 'export const mistral = { name: "mistral", variable: "MISTRAL_ADMIN_KEY" };\n',
      "src/demo/fake-vendor/billing/mistral.ts": "",
      "test/billing/vendors/mistral.test.ts": "",
      "docs/billing.md": "Vendors.\n",
    },
  ],
  ["no document counts what grows", { "README.md": "Seventeen monitors.\n" }],
  ["the paths in the documents of contributors exist", { "ARCHITECTURE.md": "See `src/core/gone.ts`.\n" }],
  ["the paths in the documents of contributors exist", { "ARCHITECTURE.md": "See `core/gone.ts`.\n" }],
  [
    "the paths in the documents of contributors exist",
    { "CONTRIBUTING.md": "Files in `src/gone/` and `src/core/`.\n" },
  ],
  ["no document counts what grows", { "docs/a.md": "of 3 stores\n" }],
  ["only config.ts reads the environment", { "src/meter/b.ts": "export const port = process.env.PORT;\n" }],
  ["only config.ts reads the environment", { "src/cli/b.ts": "const { env } = process;\n" }],
  ["only config.ts reads the environment", { "src/cli/b.ts": 'import { env } from "node:process";\n' }],
  [
    "the demo's vendor imports nothing of ours",
    { "src/demo/fake-vendor/prices.ts": 'import { a } from "../../core/a.ts";\n' },
  ],
  ["no import cycles", { "src/meter/b.ts": 'import "./c.ts";\n', "src/meter/c.ts": 'import "./b.ts";\n' }],
  [
    "no import cycles",
    { "src/meter/b.ts": 'import type { C } from "./c.ts";\n', "src/meter/c.ts": 'import type { B } from "./b.ts";\n' },
  ],
  [
    "the agent path loads only Node's own modules",
    plus("src/meter/hook.ts", 'import { metrics } from "@opentelemetry/api";\n'),
  ],
  [
    "the agent path loads only Node's own modules",
    plus("src/index.ts", 'import { calcPrice } from "@pydantic/genai-prices";\n'),
  ],
  [
    "the agent path loads only Node's own modules",
    plus("src/register.ts", 'export { type Meter } from "@opentelemetry/api";\n'),
  ],
  [
    "the agent path imports only light modules of Node",
    plus("src/meter/hook.ts", 'import { readFileSync } from "node:fs";\n'),
  ],
  [
    "the agent path loads no store that it does not open",
    plus("src/meter/hook.ts", 'import { DatabaseSync } from "node:sqlite";\n'),
  ],
  [
    "the agent path loads no store that it does not open",
    plus("src/meter/hook.ts", 'import { openRedis } from "../stores/redis/store.ts";\n'),
  ],
  ["the agent path waits for nothing at its top", plus("src/meter/hook.ts", "await hook();\n")],
  ["the agent path waits for nothing at its top", plus("src/meter/hook.ts", "export const sdk = await hook();\n")],
  [
    "an agent never loads a vendor SDK, Redis or the Datadog client",
    { "src/guard/b.ts": 'const store = () => import("ioredis");\n' },
  ],
  [
    "an agent never loads a vendor SDK, Redis or the Datadog client",
    plus("src/meter/hook.ts", 'export const sdk = () => require("openai");\n'),
  ],
  [
    "an agent never loads a vendor SDK, Redis or the Datadog client",
    plus("src/index.ts", 'export const dd = () => import("@datadog/datadog-api-client");\n'),
  ],
  ["assets use only names that we emit", { "dashboards/a.json": '{ "q": "sum:spendfuse.costs{*}" }' }],
  ["assets use only names that we emit", { "dashboards/a.json": '{ "q": ["sum:spendfuse.cost{agnet:x}"] }' }],
  ["assets use only names that we emit", { "dashboards/a.json": '{ "q": "sum:spendfuse.calls{*} by {agent,run}" }' }],
  ["assets use only names that we emit", { "dashboards/a.json": '{ "q": "sum:spendfuse.cost{run IN (1,2)}" }' }],
  ["assets use only names that we emit", { "monitors/agent.json": '{ "message": "{{agents.name}} spends" }' }],
  [
    "assets use only names that we emit",
    { "monitors/agent.json": '{ "template_variables": [{ "prefix": "agents" }] }' },
  ],
  ["files are named for what they hold", { "src/core/utils.ts": "" }],
  ["files are named for what they hold", { "src/meter/price-helpers.ts": "" }],
  ["files are named for what they hold", { "test/common/a.ts": "" }],
  ["files are named for what they hold", { "src/meter/stream-manager.ts": "" }],
  ["files stay small", { "src/core/b.ts": "\n".repeat(261) }],
  ["nothing is left for later", { "src/core/b.ts": `// ${later}: round\n` }],
  ["nothing is left for later", { "test/b.test.ts": `test.${"only"}("x", () => {});\n` }],
  [
    "no tag has the name of a label that a backend sets",
    { "src/core/names.ts": 'export const METRICS = { calls: { attributes: ["agent", "instance"] } };\n' },
  ],
  ["no tag has the name of a label that a backend sets", { "src/core/names.ts": 'const SPEND = ["host"] as const;\n' }],
  ["no registry host in the repository", { "README.md": `npm i --registry https://${"registry"}.example.org\n` }],
  ["no registry host in the repository", { "package-lock.json": '{\n  "resolved": "https://example.org/a.tgz"\n}' }],
  ["no registry host in the repository", { ".npmrc": "registry=https://example.org\n" }],
];

const broken = (tree: Tree): readonly string[] =>
  Object.entries(LAWS)
    .filter(([, law]) => law(tree).length > 0)
    .map(([name]) => name);

describe("the laws of the house", () => {
  test("there is something to look at", () => {
    expect(repository.has("src/meter/wire/formats/registry.ts")).toBe(true);
    expect(repository.size).toBeGreaterThan(100);
  });

  test.each(Object.entries(LAWS))("%s", (_name, law) => {
    expect(law(repository)).toEqual([]);
  });
});

describe("the laws see their breach, and no other", () => {
  test("a house that keeps them all", () => {
    expect(broken(new Map(Object.entries(HOUSE)))).toEqual([]);
  });

  test.each(BREACHES)("%s: %j", (law, files) => {
    expect(broken(new Map(Object.entries({ ...HOUSE, ...files })))).toEqual([law]);
  });

  test("every law has a breach", () => {
    expect(new Set(BREACHES.map(([law]) => law))).toEqual(new Set(Object.keys(LAWS)));
  });
});
