import { describe, expect, test } from "vitest";
import { findProgram, pastProxy, startOf } from "../../../../src/meter/transports/child-process/past.ts";

const ADDRESSES = {
  openai: "http://127.0.0.1:1/openai/v1",
  anthropic: "http://127.0.0.1:1/anthropic",
  gemini: "http://127.0.0.1:1/gemini",
};
const GUIDED = {
  OPENAI_BASE_URL: ADDRESSES.openai,
  OPENAI_API_BASE: ADDRESSES.openai,
  ANTHROPIC_BASE_URL: ADDRESSES.anthropic,
  GOOGLE_GEMINI_BASE_URL: ADDRESSES.gemini,
};
const SETTING = `openai_base_url=${JSON.stringify(ADDRESSES.openai)}`;

function hostOf(file: string, args: readonly string[], env: Record<string, string> = {}, isShell = false) {
  const launch = { file, args, env: { ...GUIDED, ...env } };
  const found = findProgram(launch, isShell);
  return found && pastProxy(found, launch, ADDRESSES)?.host;
}

describe("a program goes past the proxy", () => {
  test.each([
    ["to Bedrock", "claude", ["-p", "x"], { CLAUDE_CODE_USE_BEDROCK: "1" }, "bedrock-runtime.amazonaws.com"],
    ["to Vertex", "/opt/claude", ["-p", "x"], { CLAUDE_CODE_USE_VERTEX: "true" }, "aiplatform.googleapis.com"],
    ["to Foundry", "npx", ["@anthropic-ai/claude-code"], { CLAUDE_CODE_USE_FOUNDRY: "1" }, "services.ai.azure.com"],
    ["to Vertex, Gemini CLI", "gemini", ["-p", "x"], { GOOGLE_GENAI_USE_VERTEXAI: "1" }, "aiplatform.googleapis.com"],
    ["to an address of its own", "claude", ["-p", "x"], { ANTHROPIC_BASE_URL: "https://gw.example" }, "gw.example"],
    ["to an address of its own, qwen", "qwen", ["-p", "x"], { OPENAI_BASE_URL: "https://gw.example/v1" }, "gw.example"],
    ["to an address of its own, aider", "aider", ["-m", "x"], { OPENAI_API_BASE: "https://gw.example" }, "gw.example"],
    [
      "by its argument",
      "codex",
      ["-c", SETTING, "exec", "-c", 'openai_base_url="https://gw.example/v1"'],
      {},
      "gw.example",
    ],
  ] as [string, string, string[], Record<string, string>, string][])("%s", (_name, file, args, env, host) => {
    expect(hostOf(file, args, env)).toBe(host);
  });

  test("as Codex that a shell starts", () => {
    expect(hostOf("sh", ["-c", "cd x && codex exec 'y'"], {}, true)).toBe("api.openai.com");
  });
});

describe("a program goes to the proxy", () => {
  test.each([
    ["claude", ["-p", "x"], {}],
    ["claude", ["-p", "x"], { CLAUDE_CODE_USE_BEDROCK: "0" }],
    ["claude", ["-p", "x"], { OPENAI_BASE_URL: "https://gw.example" }],
    ["codex", ["-c", SETTING, "exec", "x"], {}],
    ["codex", ["-c", SETTING, "exec", "x"], { OPENAI_BASE_URL: "https://gw.example" }],
    ["opencode", ["run", "x"], {}],
    ["git", ["commit"], { ANTHROPIC_BASE_URL: "https://gw.example" }],
  ] as [string, string[], Record<string, string>][])("%s %j with %j", (file, args, env) => {
    expect(hostOf(file, args, env)).toBeUndefined();
  });
});

test.each([
  ["claude", ["-p", "x"], false, { name: "claude", asks: true, resumes: false }],
  ["claude", ["--print", "--resume=7", "x"], false, { asks: true, resumes: true }],
  ["claude", ["--input-format", "stream-json", "--model", "opus"], false, { asks: true, model: "opus" }],
  ["claude", ["--version"], false, { asks: false, resumes: false }],
  ["codex", ["exec", "--model=gpt-5", "x"], false, { name: "codex", asks: true, model: "gpt-5" }],
  ["codex", ["exec", "resume", "7"], false, { asks: true, resumes: true }],
  ["codex", ["login"], false, { asks: false }],
  ["node", ["/x/@google/gemini-cli/bundle/gemini.js", "-p", "x"], false, { name: "gemini", asks: true }],
  ["bash", ["-lc", "npx opencode-ai@1.18 run x"], true, { name: "opencode", asks: true }],
])("what is known of %s %j at its start", (file, args, isShell, expected) => {
  const found = findProgram({ file, args }, isShell);
  expect(found && startOf(found)).toMatchObject(expected);
});
