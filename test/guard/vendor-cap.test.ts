import { expect, test } from "vitest";
import { readVendorCap } from "../../src/guard/vendor-cap.ts";

const openai = (code: string | null, type = "x") => ({
  error: { message: "You exceeded your current quota", type, param: null, code },
});
const anthropic = (type: string, message: string, details?: object) => ({
  type: "error",
  error: { type, message, ...(details && { details }) },
});
const LIMIT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.";

test.each([
  ["OpenAI, out of credit", 429, openai("insufficient_quota"), { code: "insufficient_quota" }],
  ["OpenAI, the same in type alone", 429, openai(null, "insufficient_quota"), { code: "insufficient_quota" }],
  ["OpenAI, project limit", 429, openai("project_spend_limit_exceeded"), { code: "project_spend_limit_exceeded" }],
  [
    "OpenAI, organisation limit",
    429,
    openai("organization_spend_limit_exceeded"),
    { code: "organization_spend_limit_exceeded" },
  ],
  [
    "Anthropic, own limit",
    400,
    anthropic("invalid_request_error", LIMIT),
    { code: "usage_limit_reached", until: Date.UTC(2026, 11, 1) },
  ],
  [
    "Anthropic, workspace limit",
    400,
    anthropic("invalid_request_error", "You have reached your specified workspace API usage limits."),
    { code: "usage_limit_reached" },
  ],
  [
    "Anthropic, tier",
    429,
    anthropic("rate_limit_error", "x", { error_code: "enforced_spend_limit_reached" }),
    { code: "enforced_spend_limit_reached" },
  ],
] as const)("%s", (_, status, body, expected) => {
  expect(readVendorCap(status, body)).toMatchObject(expected);
});

test.each([
  ["a rate limit", 429, openai("rate_limit_exceeded", "requests")],
  ["Anthropic's rate limit", 429, anthropic("rate_limit_error", "This request would exceed your rate limit")],
  ["a wrong request", 400, anthropic("invalid_request_error", "max_tokens: Field required")],
  ["the right words under another status", 500, openai("insufficient_quota")],
  ["nothing", 429, undefined],
  ["a text", 429, "insufficient_quota"],
  ["a list", 429, [openai("insufficient_quota")]],
] as const)("%s is no cap", (_, status, body) => {
  expect(readVendorCap(status, body)).toBeUndefined();
});
