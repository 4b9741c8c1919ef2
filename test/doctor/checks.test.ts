import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { gatherFacts } from "../../src/doctor/facts.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import type { Answer } from "../../src/doctor/question.ts";
import { examine, questionsOf } from "../../src/doctor/run-checks.ts";
import { BLIND_PACKAGES } from "../../src/doctor/tables/blind.ts";
import { INSTRUMENTATIONS } from "../../src/doctor/tables/instrumentations.ts";
import { SDKS } from "../../src/doctor/tables/sdks.ts";
import { VERSION } from "../../src/package/version.ts";
import { appOf, type Versions } from "./stage.ts";

type Texts = Readonly<Record<string, string>>;

interface App {
  readonly packages?: Versions;
  /** Installed, and no dependency of the app's. */
  readonly inside?: Versions;
  readonly source?: string;
  readonly manifest?: object;
  readonly files?: Texts;
  readonly env?: Texts;
  readonly config?: object;
  readonly node?: string;
  readonly answers?: Readonly<Record<string, Answer>>;
}

const START = { start: "node --import spendfuse/register main.js" };

/** An app in order, with what a row changes. */
function look(app: App): readonly Finding[] {
  const dependencies = { spendfuse: VERSION, ...app.packages };
  const manifest = { name: "app", type: "module", scripts: START, dependencies, ...app.manifest };
  const files = {
    "package.json": JSON.stringify(manifest),
    "main.js": app.source ?? "",
    ...app.files,
  };
  const dir = appOf(files, { ...dependencies, ...app.inside });
  const env = { SPENDFUSE_CONFIG: JSON.stringify({ agent: "a", ...app.config }), DD_API_KEY: "", ...app.env };
  const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", ...env };
  const facts = { ...gatherFacts(dir, otlp), ...(app.node && { node: app.node }) };
  return examine(facts, new Map(Object.entries(app.answers ?? {})));
}

const budgets = [{ scope: { agent: "*" }, per: "hour", usd: 20 }];
const openai = { openai: "7.57.0" };
const key = { OPENAI_API_KEY: "sk-key-of-the-table" };
const openaiApp = { packages: openai, env: key };
const refused = { failure: "connection refused (ECONNREFUSED)" };
const SCRIPTS = (start: string): object => ({ scripts: { start } });

/** What is wrong or to be noted, and the fix that is offered. */
const ROWS: readonly (readonly [id: string, level: "note" | "fault", fix: string, app: App])[] = [
  ["node-too-old", "fault", "nvm install 24", { node: "22.14.0" }],
  ["node-too-old", "fault", "FROM node:24", { files: { Dockerfile: "FROM node:22.10-slim\n" } }],
  ["node-too-old", "fault", "echo 24 > .nvmrc", { files: { ".nvmrc": "v20\n" } }],
  ["engines-too-low", "note", '"engines": { "node": ">=22.15" }', { manifest: { engines: { node: ">=18" } } }],
  ["package-json-missing", "fault", "npx spendfuse doctor --dir FOLDER-OF-THE-APP", { files: { "package.json": "{" } }],
  [
    "spendfuse-not-installed",
    "fault",
    `npm install ./spendfuse-${VERSION}.tgz`,
    { inside: { spendfuse: undefined as never } },
  ],
  ["spendfuse-version-differs", "note", "npx --no-install spendfuse doctor", { inside: { spendfuse: "0.0.9" } }],
  ["config-wrong", "fault", '"mode": "enforce"', { config: { mode: "on" } }],
  ["config-wrong", "fault", "SPENDFUSE_MODE=enforce", { env: { SPENDFUSE_MODE: "on" } }],
  ["config-wrong", "fault", "SPENDFUSE_SPANS=true", { env: { SPENDFUSE_SPANS: "maybe" } }],
  ["config-wrong", "fault", '"team": "search"', { config: { team: [] } }],
  ["config-wrong", "fault", "unset SPENDFUSE_CONFIG", { env: { SPENDFUSE_CONFIG: "not-there.json" } }],
  ["config-wrong", "fault", 'SPENDFUSE_CONFIG=\'{ "mode": "enforce" }\'', { env: { SPENDFUSE_CONFIG: "{ agent }" } }],
  ["config-unknown-key", "note", '"budgets"', { config: { budget: [] } }],
  [
    "register-missing",
    "fault",
    '"start": "node --import spendfuse/register main.js"',
    { manifest: SCRIPTS("node main.js") },
  ],
  // Behind the app's file it is the app's own.
  [
    "register-missing",
    "fault",
    '"start": "node --import spendfuse/register src/main.js --import spendfuse/register"',
    { manifest: SCRIPTS("node src/main.js --import spendfuse/register") },
  ],
  [
    "register-missing",
    "fault",
    '"start": "NODE_OPTIONS=\\"--import $PWD/node_modules/spendfuse/dist/register.js\\" next start"',
    { manifest: SCRIPTS("next start") },
  ],
  [
    "register-relative",
    "note",
    '"start": "NODE_OPTIONS=\\"--import $PWD/node_modules/spendfuse/dist/register.js\\" next start"',
    { manifest: SCRIPTS("NODE_OPTIONS='--import spendfuse/register' next start") },
  ],
  [
    "register-missing",
    "fault",
    "web: node --import spendfuse/register main.js",
    { manifest: { scripts: {} }, files: { Procfile: "web: node main.js\n" } },
  ],
  [
    "register-missing",
    "fault",
    'ENV NODE_OPTIONS="--import /app/node_modules/spendfuse/dist/register.js"',
    { manifest: { scripts: {} }, files: { Dockerfile: 'CMD ["node", "main.js"]\n' } },
  ],
  [
    "register-relative",
    "note",
    'NODE_OPTIONS="--import $PWD/node_modules/spendfuse/dist/register.js"',
    { env: { NODE_OPTIONS: "--max-old-space-size=99 --import=spendfuse/register" } },
  ],
  [
    "register-relative",
    "note",
    'ENV NODE_OPTIONS="--import /app/node_modules/spendfuse/dist/register.js"',
    { files: { Dockerfile: 'ENV NODE_OPTIONS="--import ./node_modules/spendfuse/dist/register.js"\n' } },
  ],
  [
    "register-relative",
    "note",
    'NODE_OPTIONS: "--import /app/node_modules/spendfuse/dist/register.js"',
    { files: { "compose.yaml": 'environment:\n  NODE_OPTIONS: "--require spendfuse/register"\n' } },
  ],
  [
    "register-relative",
    "note",
    "node-options=--import /app/node_modules/spendfuse/dist/register.js",
    { files: { ".npmrc": "node-options=--import spendfuse/register\n" } },
  ],
  ["transport-off", "note", '"transportsOff": []', { config: { transportsOff: ["node-http"] } }],
  [
    "program-unmetered",
    "note",
    '"transportsOff": []',
    { packages: { "@openai/codex-sdk": "0.171.0" }, config: { transportsOff: ["child-process"] } },
  ],
  [
    "program-unmetered",
    "note",
    "unset CLAUDE_CODE_USE_BEDROCK",
    { packages: { "@anthropic-ai/claude-agent-sdk": "0.3.332" }, env: { CLAUDE_CODE_USE_BEDROCK: "1" } },
  ],
  [
    "program-unmetered",
    "note",
    '"review": "npm test && spendfuse run -- npx claude -p \\"look\\""',
    { manifest: { scripts: { ...START, review: 'npm test && npx claude -p "look"' } } },
  ],
  [
    "register-missing",
    "fault",
    'node_args: "--import spendfuse/register"',
    {
      manifest: { scripts: {} },
      files: { "ecosystem.config.cjs": 'module.exports = { apps: [{ script: "main.js" }] };\n' },
    },
  ],
  // The package itself starts nothing.
  [
    "register-missing",
    "fault",
    '"start": "node --import spendfuse/register --import spendfuse main.js"',
    { manifest: SCRIPTS("node --import spendfuse main.js") },
  ],
  [
    "register-missing",
    "fault",
    "node --import spendfuse/register app.js",
    { manifest: { scripts: {} }, source: 'import { scope } from "spendfuse";\n// import "spendfuse/register"' },
  ],
  [
    "register-partial",
    "note",
    '"start": "node --import spendfuse/register main.js"',
    {
      manifest: {
        scripts: { start: "node main.js", "dev:metered": "node --watch --import spendfuse/register main.js" },
      },
    },
  ],
  [
    "register-partial",
    "note",
    '"start": "node --import spendfuse/register main.js"',
    { manifest: SCRIPTS("node main.js"), source: 'import { wrapFetch } from "spendfuse";\nwrapFetch(fetch);' },
  ],
  ["packages-not-installed", "note", "npm install", { env: key, source: 'import OpenAI from "openai";' }],
  [
    "sdk-version-untested",
    "note",
    "onCall((call) => console.log(call.model, call.quality, call.costUsd))",
    { packages: { openai: "8.0.0" }, env: key },
  ],
  [
    "agent-unnamed",
    "note",
    'await scope({ agent: "researcher" }, () => agent.run())',
    { ...openaiApp, config: { agent: undefined } },
  ],
  [
    "agent-unnamed",
    "note",
    'telemetry: { functionId: "researcher" }',
    { packages: { ai: "7.0.173" }, config: { agent: undefined } },
  ],
  [
    "host-unknown",
    "note",
    '"hosts": [{ "host": "llm.example.com", "like": "api.openai.com" }]',
    { env: { OPENAI_BASE_URL: "https://llm.example.com/v1" } },
  ],
  [
    "host-local",
    "note",
    '"localServers": "free"',
    { ...openaiApp, source: 'import OpenAI from "openai";\nnew OpenAI({ baseURL: "http://localhost:11434/v1" });' },
  ],
  [
    "instrumentation-blind",
    "note",
    "npm uninstall @opentelemetry/instrumentation-openai",
    { packages: { ...openai, "@opentelemetry/instrumentation-openai": "0.22.0" }, env: key },
  ],
  [
    "instrumentation-blind",
    "note",
    "npm install @traceloop/node-server-sdk@latest",
    { packages: { "@traceloop/node-server-sdk": "0.27.0" }, inside: openai },
  ],
  [
    "instrumentation-defect",
    "note",
    "npm install @traceloop/node-server-sdk@latest",
    {
      packages: { "@traceloop/node-server-sdk": "0.27.0" },
      inside: { "@anthropic-ai/sdk": "1.12.0", "@traceloop/instrumentation-anthropic": "0.27.0" },
    },
  ],
  [
    "instrumentation-defect",
    "note",
    "npm uninstall @arizeai/openinference-instrumentation-openai",
    { packages: { "@arizeai/openinference-instrumentation-openai": "4.2.7" } },
  ],
  ["instrumentation-defect", "note", "npm uninstall openlit", { packages: { openlit: "1.15.0" } }],
  ["instrumentation-defect", "note", "const client = new OpenAI()", { packages: { "@langfuse/openai": "5.11.1" } }],
  [
    "package-blind",
    "note",
    'session.on("assistant.usage", (event) => console.log(event.data))',
    { packages: { "@github/copilot-sdk": "1.0.0" } },
  ],
  [
    "way-blind",
    "note",
    'createOpenAICompatible({ name: "gateway", baseURL: "https://ai-gateway.vercel.sh/v1" })',
    { source: 'import { generateText } from "ai";\ngenerateText({ model: "openai/gpt-5" });' },
  ],
  [
    "export-nowhere",
    "note",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318",
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "" } },
  ],
  ["export-disabled", "note", "unset OTEL_SDK_DISABLED", { env: { OTEL_SDK_DISABLED: "true" } }],
  [
    "endpoint-no-address",
    "fault",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" } },
  ],
  [
    "endpoint-no-address",
    "fault",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://localhost:4318",
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "", OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "ftp://a" } },
  ],
  ["export-setting", "note", "OTEL_METRIC_EXPORT_INTERVAL=…", { env: { OTEL_METRIC_EXPORT_INTERVAL: "often" } }],
  [
    "export-nowhere",
    "note",
    "OTEL_METRICS_EXPORTER=otlp",
    { packages: { "@opentelemetry/sdk-node": "0.301.0" }, env: { OTEL_METRICS_EXPORTER: "none" } },
  ],
  [
    "export-nowhere",
    "note",
    "OTEL_METRICS_EXPORTER=otlp",
    { env: { OTEL_METRICS_EXPORTER: "console", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" } },
  ],
  ["otlp-grpc", "fault", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", { env: { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" } }],
  [
    "otlp-grpc",
    "fault",
    "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    { files: { Dockerfile: "ENV OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n" } },
  ],
  [
    "endpoint-unreachable",
    "fault",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318",
    { answers: { otlp: refused } },
  ],
  [
    "endpoint-refuses",
    "fault",
    "OTEL_EXPORTER_OTLP_HEADERS=authorization=…",
    { answers: { otlp: { status: 403, text: "" } } },
  ],
  [
    "endpoint-refuses",
    "fault",
    "DD_API_KEY=…",
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "", DD_API_KEY: "k" }, answers: { otlp: { status: 403, text: "" } } },
  ],
  [
    "temporality-refused",
    "fault",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative",
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://prometheus:9090/api/v1/otlp" } },
  ],
  [
    "temporality-ignored",
    "note",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta",
    {
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: "",
        DD_API_KEY: "k",
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "cumulative",
      },
    },
  ],
  [
    "endpoint-wrong-path",
    "fault",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318",
    { answers: { otlp: { status: 404, text: "" } } },
  ],
  [
    "endpoint-unwell",
    "note",
    "curl -i -X POST http://127.0.0.1:1/v1/metrics",
    { answers: { otlp: { status: 502, text: "" } } },
  ],
  [
    "datadog-key-rejected",
    "fault",
    "DD_API_KEY=…  # a key of datadoghq.eu: Organization Settings, API Keys",
    { env: { DD_API_KEY: "k", DD_SITE: "datadoghq.eu" }, answers: { "datadog-key": { status: 403, text: "" } } },
  ],
  [
    "datadog-site-wrong",
    "fault",
    "DD_SITE=datadoghq.com",
    { env: { DD_API_KEY: "k", DD_SITE: "https://datadoghq.eu/" } },
  ],
  [
    "datadog-unreachable",
    "note",
    "curl -i https://api.datadoghq.com/api/v1/validate",
    { env: { DD_API_KEY: "k" }, answers: { "datadog-key": refused } },
  ],
  [
    "datadog-unreachable",
    "note",
    "curl -i https://api.datadoghq.com/api/v1/validate",
    { env: { DD_API_KEY: "k" }, answers: { "datadog-key": { status: 500, text: "" } } },
  ],
  [
    "vendor-key-rejected",
    "fault",
    "OPENAI_API_KEY=…",
    { ...openaiApp, answers: { OPENAI_API_KEY: { status: 401, text: "" } } },
  ],
  [
    "vendor-key-rejected",
    "fault",
    "GOOGLE_API_KEY=…",
    { env: { GOOGLE_API_KEY: "k" }, answers: { GOOGLE_API_KEY: { status: 400, text: "" } } },
  ],
  [
    "vendor-unreachable",
    "note",
    "curl -i https://api.openai.com/v1/models  # or another address in OPENAI_BASE_URL",
    { ...openaiApp, answers: { OPENAI_API_KEY: refused } },
  ],
  ["store-package-missing", "fault", "npm install redis", { config: { store: "redis://127.0.0.1:6379" } }],
  [
    "store-package-missing",
    "fault",
    "npm install redis",
    { config: { store: "redis://127.0.0.1:6379" }, packages: { redis: "4.7.0" } },
  ],
  [
    "store-unreachable",
    "fault",
    "SPENDFUSE_STORE=redis://127.0.0.1:6379",
    { config: { store: "redis://127.0.0.1:7" }, packages: { redis: "6.3.1" }, answers: { store: refused } },
  ],
  [
    "store-unusable",
    "fault",
    "SPENDFUSE_STORE=file:/var/lib/app/spendfuse.db",
    { config: { store: "file:package.json" } },
  ],
  [
    "store-unusable",
    "fault",
    "SPENDFUSE_STORE=file:/var/lib/app/spendfuse.db",
    { config: { store: "file:package.json/state/spend.db" } },
  ],
  [
    "store-not-shared",
    "note",
    "SPENDFUSE_STORE=file:/var/lib/app/spendfuse.db",
    {
      config: { budgets },
      files: {
        "ecosystem.config.cjs":
          'module.exports = { apps: [{ script: "main.js", instances: "max", node_args: "--import spendfuse/register" }] };\n',
      },
    },
  ],
  [
    "store-not-shared",
    "note",
    "SPENDFUSE_STORE=file:/var/lib/app/spendfuse.db",
    { config: { budgets }, source: 'import cluster from "node:cluster";\nif (cluster.isPrimary) cluster.fork();' },
  ],
  [
    "breaker-unreachable",
    "fault",
    "npx spendfuse breaker",
    { config: { breaker: { url: "http://127.0.0.1:7" } }, answers: { breaker: refused } },
  ],
  [
    "breaker-unwell",
    "fault",
    "npx spendfuse breaker --store redis://127.0.0.1:6379",
    { config: { breaker: { url: "http://127.0.0.1:7" } }, answers: { breaker: { status: 503, text: "" } } },
  ],
  [
    "breaker-unwell",
    "fault",
    "SPENDFUSE_BREAKER_URL=http://127.0.0.1:4319",
    { config: { breaker: { url: "http://127.0.0.1:7" } }, answers: { breaker: { status: 404, text: "" } } },
  ],
  ["guard-off", "note", "SPENDFUSE_MODE=enforce", { config: { budgets, mode: "off" } }],
  ["guard-shadow", "note", "SPENDFUSE_MODE=enforce", { config: { budgets, mode: "shadow" } }],
];

/** Nothing is wrong with these, though they look like something that is. */
const RIGHT: readonly (readonly [what: string, app: App])[] = [
  ["an app in order", openaiApp],
  ["Node 22, whatever its minor", { files: { Dockerfile: "FROM node:22\n" }, manifest: { engines: { node: "22" } } }],
  [
    "a preload behind options and another command",
    { manifest: SCRIPTS("node build.js && PORT=1 node --env-file .env --inspect --import=spendfuse/register main.js") },
  ],
  ["--require, in another place", { manifest: SCRIPTS("node --enable-source-maps -r spendfuse/register main.js") }],
  [
    "NODE_OPTIONS of compose",
    {
      manifest: SCRIPTS("next start"),
      files: {
        "compose.yaml": 'environment:\n  NODE_OPTIONS: "--import /app/node_modules/spendfuse/dist/register.js"\n',
      },
    },
  ],
  [
    "node-options of npm",
    {
      manifest: SCRIPTS("node main.js"),
      files: { ".npmrc": "node-options=--import file:///app/node_modules/spendfuse/dist/register.js\n" },
    },
  ],
  [
    "NODE_OPTIONS of the environment",
    {
      manifest: SCRIPTS("node main.js"),
      env: { NODE_OPTIONS: "--import=/app/node_modules/spendfuse/dist/register.js" },
    },
  ],
  [
    "a file that is loaded first",
    {
      ...openaiApp,
      manifest: SCRIPTS("node --import ./instrument.mjs main.js"),
      source: 'import OpenAI from "openai";',
      files: {
        "instrument.mjs":
          'import { instrumentation } from "spendfuse";\nnew NodeSDK({ instrumentations: [instrumentation] });',
      },
    },
  ],
  [
    "register, imported first",
    {
      ...openaiApp,
      manifest: SCRIPTS("node main.js"),
      source: 'import "spendfuse/register";\nimport OpenAI from "openai";',
    },
  ],
  [
    "a framework that names its agents",
    { packages: { ...openai, "@openai/agents": "0.20.0" }, env: key, config: { agent: undefined } },
  ],
  [
    "a header that names the agent",
    { ...openaiApp, config: { agent: undefined }, source: 'headers["x-spendfuse-agent"] = "a";' },
  ],
  [
    "a host of the configuration",
    { env: { OPENAI_BASE_URL: "https://llm.example.com/v1" }, config: { hosts: [{ host: "llm.example.com" }] } },
  ],
  ["a host of another vendor's format", { env: { ANTHROPIC_BASE_URL: "https://llm.example.com:8443" } }],
  ["a host that is known", { env: { OPENAI_BASE_URL: "https://openrouter.ai/api/v1" } }],
  [
    "an HTTP client that names no model's host",
    { source: 'import axios from "axios";\n// https://api.openai.com\naxios.get("https://example.com");' },
  ],
  [
    "a proxy beside the global fetch",
    {
      source:
        'import { ProxyAgent, setGlobalDispatcher } from "undici";\nsetGlobalDispatcher(new ProxyAgent(url));\nfetch("https://api.openai.com/v1/responses");',
    },
  ],
  [
    "axios over fetch",
    { source: 'import axios from "axios";\naxios.create({ adapter: "fetch", baseURL: "https://api.openai.com" });' },
  ],
  [
    "HTTP as transport of the agents",
    {
      source: 'import { setOpenAIResponsesTransport } from "@openai/agents";\nsetOpenAIResponsesTransport("http");',
      packages: { "@openai/agents": "0.20.0" },
      env: key,
    },
  ],
  [
    "grpc of the app's own OpenTelemetry",
    { packages: { "@opentelemetry/sdk-node": "0.301.0" }, env: { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" } },
  ],
  [
    "a key that may not list models",
    { ...openaiApp, answers: { OPENAI_API_KEY: { status: 403, text: "Missing scopes: api.model.read" } } },
  ],
  ["a gateway that lists no models", { ...openaiApp, answers: { OPENAI_API_KEY: { status: 404, text: "" } } }],
  [
    "an endpoint elsewhere",
    {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
      files: { Dockerfile: "ENV OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318\n" },
    },
  ],
  [
    "several processes on a shared store",
    { config: { budgets, store: "file:state/spend.db" }, files: { "compose.yaml": "deploy:\n  replicas: 3\n" } },
  ],
  ["several processes without budgets", { files: { "compose.yaml": "deploy:\n  replicas: 3\n" } }],
  [
    "instrumentation-openai with the openai it knows",
    {
      packages: { openai: "6.49.0", "@opentelemetry/instrumentation-openai": "0.22.0" },
      env: key,
      manifest: { dependencies: { "@opentelemetry/instrumentation-openai": "0.22.0", spendfuse: VERSION } },
    },
  ],
];

const bad = (findings: readonly Finding[]): readonly Finding[] => findings.filter(({ level }) => level !== "ok");

describe("checks", () => {
  test.each(ROWS)("%s, %s: %s", (id, level, fix, app) => {
    expect(bad(look(app))).toContainEqual(expect.objectContaining({ id, level, fix }));
  });

  test.each(RIGHT)("right: %s", (_what, app) => {
    expect(bad(look(app))).toEqual([]);
  });

  test("every id of a fault or a note has its row", () => {
    const folder = join(import.meta.dirname, "../../src/doctor");
    const sources = ["checks", "tables"].flatMap((name) =>
      readdirSync(join(folder, name), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => readFileSync(join(folder, name, file), "utf8")),
    );
    const ids = sources.flatMap((text) =>
      [...text.matchAll(/\b(?:note|fault)\(\s*"([a-z-]+)"|\bid: "(instrumentation-[a-z-]+)",$/gm)].map(
        ([, called, id]) => called ?? id,
      ),
    );
    expect(new Set(ROWS.map(([id]) => id))).toEqual(new Set(ids));
  });
});

describe("tables", () => {
  const nameOf = (row: string): string => row.replace("*", "some");

  test.each(SDKS.map((sdk) => [sdk.package, sdk] as const))("SDK %s", (row, { tested }) => {
    const name = nameOf(row);
    const found = look({
      packages: { [name]: `${tested[0] ?? "1"}.0` },
      env: { ...key, ANTHROPIC_API_KEY: "k", GEMINI_API_KEY: "k" },
    });
    expect(found.map(({ id, subject }) => `${id} ${subject}`)).toContain(`sdk-metered ${name} ${tested[0] ?? "1"}.0`);
    expect(bad(found).map(({ id }) => id)).toEqual(tested.length > 0 ? [] : ["sdk-version-untested"]);
  });

  test.each(BLIND_PACKAGES.map((row) => [row.package, row.fix] as const))("blind %s", (name, fix) => {
    expect(bad(look({ packages: { [name]: "1.0.0" } }))).toEqual([
      expect.objectContaining({ id: "package-blind", group: "blind", level: "note", subject: `${name} 1.0.0`, fix }),
    ]);
  });

  test.each(INSTRUMENTATIONS.map((row) => [row.package] as const))("instrumentation %s", (row) => {
    const found = look({ packages: { [nameOf(row)]: "99.0.0" } });
    expect(found).toContainEqual(
      expect.objectContaining({ id: "instrumentation-beside", subject: `${nameOf(row)} 99.0.0` }),
    );
  });
});

describe("questions", () => {
  const asked = (env: Texts, packages: Versions = {}) => {
    const manifest = { dependencies: packages };
    const dir = appOf({ "package.json": JSON.stringify(manifest) }, packages);
    return questionsOf(gatherFacts(dir, { SPENDFUSE_CONFIG: "{}", ...env }));
  };

  test("contacts nothing that is not configured", () => {
    expect(asked({}, openai)).toEqual([]);
  });

  test("each key goes to its own vendor, as that vendor takes it", () => {
    const env = {
      OPENAI_API_KEY: "o",
      ANTHROPIC_API_KEY: "a",
      GOOGLE_API_KEY: "g",
      DD_API_KEY: "d",
      DD_SITE: "us5.datadoghq.com",
    };
    const found = asked(env).flatMap((question) =>
      question.kind === "http" ? [[question.url, question.headers]] : [],
    );
    expect(found).toEqual(
      expect.arrayContaining([
        ["https://api.openai.com/v1/models", { authorization: "Bearer o" }],
        ["https://api.anthropic.com/v1/models", { "x-api-key": "a", "anthropic-version": "2023-06-01" }],
        ["https://generativelanguage.googleapis.com/v1beta/models", { "x-goog-api-key": "g" }],
        ["https://api.us5.datadoghq.com/api/v1/validate", { "dd-api-key": "d" }],
      ]),
    );
    expect(found).toHaveLength(5);
  });

  test("an export is empty, and in the encoding that is configured", () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
    expect(asked(endpoint)).toMatchObject([
      { method: "POST", url: "http://127.0.0.1:1/v1/metrics", body: '{"resourceMetrics":[]}' },
    ]);
    const protobuf = { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" };
    expect(asked(protobuf)).toMatchObject([
      { headers: { "content-type": "application/x-protobuf" }, body: new Uint8Array() },
    ]);
    expect(asked({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })).toEqual([]);
  });

  test("Datadog's intake is left alone where the app exports by itself", () => {
    const found = asked({ DD_API_KEY: "d" }, { "@opentelemetry/sdk-node": "0.301.0" });
    expect(found.map(({ id }) => id)).toEqual(["datadog-key"]);
  });
});

describe("agent programs that the app starts", () => {
  const spawn = 'import { spawn, execSync } from "node:child_process";\n';
  test.each([
    [
      "a dependency",
      { packages: { "@anthropic-ai/claude-agent-sdk": "0.3.332" } },
      ["@anthropic-ai/claude-agent-sdk 0.3.332"],
    ],
    ["a command", { source: `${spawn}spawn("claude", ["-p", prompt]);` }, ["main.js:2"]],
    ["by its path", { source: `${spawn}spawn("/usr/local/bin/codex", ["exec"]);` }, ["main.js:2"]],
    ["in a line for a shell", { source: `${spawn}execSync("gemini -p hello");` }, ["main.js:2"]],
    ["by npx", { source: `${spawn}spawn("npx", ["opencode", "run"]);` }, ["main.js:2"]],
    ["by a shell", { source: `${spawn}spawn("bash", ["-lc", "codex exec hi"]);` }, ["main.js:2"]],
    ["with zx", { source: `import { $ } from "zx";\nawait $\`claude -p \${prompt}\`;` }, ["main.js:2"]],
    ["with execa", { source: 'import { execa } from "execa";\nexeca("codex", args);' }, ["main.js:2"]],
    ["only its name", { source: `${spawn}if (vendor === "gemini") spawn("ls", ["claude is here"]);` }, []],
    ["without a start", { source: 'spawn("claude");' }, []],
  ] as readonly (readonly [string, App, readonly string[]])[])("%s", (_what, app, places) => {
    const found = look(app).filter(({ id }) => id === "program-metered");
    expect(found.map(({ subject }) => subject)).toEqual(places);
    for (const { says } of found) expect(says).toContain("in the scope that starts it");
  });
});
