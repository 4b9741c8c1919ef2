import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  APP_NAMES,
  closedUrl,
  examined,
  installedApp,
  openStand,
  runDoctor,
  type Stand,
  type Versions,
} from "./stage.ts";

const SECRETS = {
  openai: "sk-proj-9f3c1a7788aa55",
  anthropic: "sk-ant-4411bbccdd0099",
  google: "AIza-5522-eeff-112233",
  datadog: "dd0123456789abcdef0123456789abcd",
  otlp: "bearer-of-the-collector",
  redis: "password-of-redis",
};
const INLINE = "sk-inline-0123456789abcdef";

let well: Stand;
let refusing: Stand;
let nowhere: string;
beforeAll(async () => {
  well = await openStand({
    "/v1/models": 200,
    "/v1/metrics": 200,
    "/v1beta/models": 200,
    "/api/v1/validate": 200,
    "/healthz": 200,
  });
  refusing = await openStand({ "/v1": 401, "/v1beta": 400, "/api/v1/validate": 403, "/healthz": 503 });
  nowhere = await closedUrl();
});
afterAll(() => {
  well.close();
  refusing.close();
});

interface Row {
  readonly app: string;
  readonly installed?: Versions;
  readonly files?: Readonly<Record<string, string>>;
  readonly env: () => Readonly<Record<string, string>>;
  /** Ids of the faults and of the notes; absent where there must be none. */
  readonly faults?: readonly string[];
  readonly notes?: readonly string[];
}

const keysAt = (url: string): Record<string, string> => ({
  OPENAI_API_KEY: SECRETS.openai,
  OPENAI_BASE_URL: `${url}/v1`,
  ANTHROPIC_API_KEY: SECRETS.anthropic,
  ANTHROPIC_BASE_URL: url,
  GEMINI_API_KEY: SECRETS.google,
  GOOGLE_GEMINI_BASE_URL: url,
});
const otlpAt = (url: string): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=${SECRETS.otlp}`,
});
const datadogAt = (url: string): Record<string, string> => ({
  DD_API_KEY: SECRETS.datadog,
  SPENDFUSE_DD_API_URL: url,
  SPENDFUSE_DD_OTLP_URL: url,
});

const ROWS: readonly Row[] = [
  {
    app: "right-esm-openai-agents",
    env: () => ({ ...keysAt(well.url), ...otlpAt(well.url), SPENDFUSE_BREAKER_URL: well.url }),
  },
  {
    app: "right-docker-otel",
    env: () => ({ ...keysAt(well.url), ...datadogAt(well.url) }),
  },
  {
    app: "wrong-not-loaded",
    env: () => keysAt(well.url),
    faults: ["node-too-old", "register-missing", "spendfuse-not-installed"],
    notes: ["agent-unnamed", "engines-too-low", "export-nowhere", "host-local", "host-unknown", "sdk-version-untested"],
  },
  {
    app: "wrong-config",
    files: { ".env": "OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n" },
    env: () => ({}),
    faults: ["config-wrong", "otlp-grpc"],
    notes: ["agent-unnamed", "config-unknown-key", "export-nowhere"],
  },
  {
    app: "wrong-endpoint-and-keys",
    env: () => ({ ...keysAt(refusing.url), ...otlpAt(refusing.url), ...datadogAt(refusing.url) }),
    faults: ["datadog-key-rejected", "endpoint-refuses", "vendor-key-rejected"],
    notes: ["host-local"],
  },
  {
    app: "wrong-store-and-breaker",
    installed: { redis: "6.3.1" },
    env: () => ({
      ...otlpAt(nowhere),
      OPENAI_API_KEY: SECRETS.openai,
      OPENAI_BASE_URL: nowhere,
      SPENDFUSE_STORE: nowhere.replace("http://", `redis://:${SECRETS.redis}@`),
      SPENDFUSE_BREAKER_URL: nowhere,
    }),
    faults: ["breaker-unreachable", "endpoint-unreachable", "store-unreachable"],
    notes: ["guard-shadow", "host-local", "vendor-unreachable"],
  },
  {
    app: "bedrock-claude-agent",
    env: () => ({
      ...otlpAt(well.url),
      OPENAI_API_KEY: SECRETS.openai,
      OPENAI_BASE_URL: `${well.url}/v1`,
    }),
    notes: ["host-local"],
  },
  {
    app: "two-instrumentations",
    installed: { "@traceloop/instrumentation-openai": "0.27.0" },
    env: () => ({ ...datadogAt(well.url), OPENAI_API_KEY: SECRETS.openai, OPENAI_BASE_URL: `${well.url}/v1` }),
    notes: ["host-local", "instrumentation-blind"],
  },
];

const ids = (findings: readonly { readonly id: string }[]): string[] =>
  [...new Set(findings.map(({ id }) => id))].sort();

function expectNoSecret(text: string): void {
  for (const secret of [...Object.values(SECRETS), INLINE]) expect(text).not.toContain(secret);
}

describe("sample apps", () => {
  test("every one is run", () => {
    expect(ROWS.map(({ app }) => app).sort()).toEqual([...APP_NAMES].sort());
    expect(ROWS.length).toBeGreaterThanOrEqual(8);
  });

  test.each(ROWS)("$app", async ({ app, installed, files, env, faults = [], notes = [] }) => {
    const { findings, ok, code, out, err, ...counts } = await examined(installedApp(app, installed, files), env());
    const of = (level: string) => findings.filter((finding) => finding.level === level);
    expect({ faults: ids(of("fault")), notes: ids(of("note")) }).toEqual({ faults, notes });
    expect(counts).toEqual({ faults: of("fault").length, notes: of("note").length });
    expect({ ok, code, err }).toEqual({ ok: faults.length === 0, code: faults.length === 0 ? 0 : 1, err: "" });
    for (const { fix, level } of findings) if (level !== "ok") expect(fix).toMatch(/^\S[^\n]+$/);
    expectNoSecret(out);
  });
});

describe("the command", () => {
  test("says it in text of 100 columns: groups, faults, their fix, and the sum", async () => {
    const dir = installedApp("wrong-not-loaded");
    const { code, out } = await runDoctor(["--dir", dir], keysAt(well.url));
    expect(code).toBe(1);
    expect(out).toContain("\nStarted\n  FAULT  ");
    expect(out).toContain('fix: "start": "OPENAI_API_KEY=*** node --import spendfuse/register src/main.js"');
    expect(out.trimEnd().split("\n").at(-1)).toMatch(/^\d+ faults, \d+ notes$/);
    const long = out.split("\n").filter((line) => line.length > 100 && !line.includes("fix:"));
    expect(long.filter((line) => !line.startsWith("spendfuse doctor"))).toEqual([]);
    expect(out).not.toContain("\u001b[");
    expectNoSecret(out);
  });

  test("asks only what is configured, each once; nothing with --offline", async () => {
    const dir = installedApp("right-esm-openai-agents");
    const stand = await openStand({ "/v1": 200, "/healthz": 200 });
    const env = { ...otlpAt(stand.url), OPENAI_API_KEY: SECRETS.openai, OPENAI_BASE_URL: `${stand.url}/v1` };
    const all = { ...env, SPENDFUSE_BREAKER_URL: `${stand.url}/` };
    expect((await runDoctor(["--offline", "--dir", dir], all)).code).toBe(0);
    expect(stand.asked).toEqual([]);
    expect((await runDoctor(["--dir", dir], all)).code).toBe(0);
    expect(stand.asked.sort()).toEqual(["GET /healthz", "GET /v1/models", "POST /v1/metrics"]);
    stand.close();
  });

  test("sends no key of one's own to an address that only the folder's .env names", async () => {
    const stand = await openStand({ "/v1": 200 });
    const app = (file: string) =>
      installedApp("right-docker-otel", {}, { ".env": `OPENAI_BASE_URL=${stand.url}/v1\nDD_SITE=a.example\n${file}` });
    await runDoctor(["--dir", app("")], { OPENAI_API_KEY: SECRETS.openai });
    await runDoctor(["--dir", app(`OTEL_EXPORTER_OTLP_ENDPOINT=${stand.url}`)], {
      OTEL_EXPORTER_OTLP_HEADERS: `api-key=${SECRETS.openai}`,
    });
    expect(stand.asked).toEqual([]);
    await runDoctor(["--dir", app("OPENAI_API_KEY=of-the-file")], {});
    expect(stand.asked).toEqual(["GET /v1/models"]);
    stand.close();
  });

  test("follows no redirect with a key in hand", async () => {
    const stand = await openStand({ "/v1": 307 });
    const dir = installedApp("right-docker-otel");
    const { code, out } = await runDoctor(["--dir", dir], { ...keysAt(stand.url) });
    expect(code).toBe(0);
    expect(out).toContain("answers 307");
    stand.close();
  });

  test("2 on invalid usage, 0 for --help, which says what the code means", async () => {
    expect(await runDoctor(["--fix"], {})).toMatchObject({ code: 2, out: "" });
    const missing = await runDoctor(["--dir", "not-there"], {});
    expect(missing).toMatchObject({ code: 2, out: "" });
    expect(missing.err).toContain("there is no folder");
    const help = await runDoctor(["--help"], {});
    expect(help.code).toBe(0);
    expect(help.out).toContain("The exit code is 0 without a fault, 1 with one, 2 on invalid usage.");
  });
});
