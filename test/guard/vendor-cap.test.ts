import { expect, test } from "vitest";
import { readVendorCap } from "../../src/guard/vendor-cap.ts";

const openai = (code: string | null, type = "x") => ({
  error: { message: "You exceeded your current quota", type, param: null, code },
});
const anthropic = (type: string, message: string, details?: object) => ({
  type: "error",
  error: { type, message, ...(details && { details }) },
});
const litellm = (type: string, message: string) => ({ error: { message, type, param: null, code: "429" } });
const SPENT = "Budget has been exceeded! Key=b8ac Current cost: 0.0337, Max budget: 0.001";
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
  ["LiteLLM, a key's budget", 422, litellm("budget_exceeded", SPENT), { code: "budget_exceeded" }],
  ["LiteLLM, the same in older versions", 400, litellm("budget_exceeded", SPENT), { code: "budget_exceeded" }],
  ["LiteLLM, by a hook", 422, litellm("invalid_request_error", SPENT), { code: "budget_exceeded" }],
  [
    "LiteLLM, a user's budget",
    429,
    litellm("auth_error", "ExceededBudget: User=u1 over budget. Spend=2, Budget=1"),
    { code: "budget_exceeded" },
  ],
  [
    "LiteLLM, a provider's budget",
    429,
    litellm(
      "internal_server_error",
      "No deployments available - crossed budget: Exceeded budget for provider openai: 0.00116 >= 1e-07\n",
    ),
    { code: "provider_budget_exceeded" },
  ],
  [
    "LiteLLM, OpenAI out of credit",
    429,
    litellm(
      "throttling_error",
      "litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current quota, please check your plan\n\nLiteLLM: no fallback",
    ),
    { code: "insufficient_quota" },
  ],
  [
    "LiteLLM, OpenAI's error in full",
    429,
    litellm("throttling_error", 'litellm.RateLimitError: AzureException - {"error":{"code":"insufficient_quota"}}'),
    { code: "insufficient_quota" },
  ],
  [
    "LiteLLM, Anthropic's own limit",
    400,
    litellm("invalid_request_error", `litellm.BadRequestError: AnthropicException - {"message":"${LIMIT}"}`),
    { code: "usage_limit_reached", until: Date.UTC(2026, 11, 1) },
  ],
  [
    "LiteLLM, Anthropic's tier",
    429,
    litellm(
      "throttling_error",
      'litellm.RateLimitError: AnthropicException - {"error_code":"enforced_spend_limit_reached"}',
    ),
    { code: "spend_limit" },
  ],
] as const)("%s", (_, status, body, expected) => {
  expect(readVendorCap(status, body)).toMatchObject(expected);
});

test.each([
  ["a rate limit", 429, openai("rate_limit_exceeded", "requests")],
  ["Anthropic's rate limit", 429, anthropic("rate_limit_error", "This request would exceed your rate limit")],
  ["a wrong request", 400, anthropic("invalid_request_error", "max_tokens: Field required")],
  ["the right words under another status", 500, openai("insufficient_quota")],
  ["LiteLLM, a rate limit", 429, litellm("throttling_error", "litellm.RateLimitError: OpenAIException - slow down")],
  [
    "LiteLLM, Google's limit of a minute, which has the same words",
    429,
    litellm(
      "throttling_error",
      "litellm.RateLimitError: litellm.RateLimitError: GeminiException - You exceeded your current quota, please retry in 12 s",
    ),
  ],
  [
    "Google's limit of a minute",
    429,
    { error: { code: 429, message: "You exceeded your current quota", status: "RESOURCE_EXHAUSTED" } },
  ],
  ["words about a budget in a wrong request", 422, litellm("invalid_request_error", "budget: field required")],
  ["nothing", 429, undefined],
  ["a text", 429, "insufficient_quota"],
  ["a list", 429, [openai("insufficient_quota")]],
] as const)("%s is no cap", (_, status, body) => {
  expect(readVendorCap(status, body)).toBeUndefined();
});
