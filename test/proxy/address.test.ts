import { describe, expect, test } from "vitest";
import { type Address, readAddress, upstreamUrl, writeAddress } from "../../src/proxy/address.ts";

const UPSTREAMS = {
  openai: "https://o.example/base/v1",
  anthropic: "https://a.example/x",
  gemini: "https://g.example",
};

describe("where a path goes", () => {
  test.each([
    ["/openai/v1/responses", "https://o.example/base/v1/responses"],
    ["/openai/v1", "https://o.example/base/v1"],
    ["/openai/v1?x=1", "https://o.example/base/v1?x=1"],
    ["/openai/v12/x", "https://o.example/v12/x"],
    ["/openai/backend-api/wham/usage", "https://o.example/backend-api/wham/usage"],
    ["/anthropic", "https://a.example/x"],
    ["/anthropic/v1/messages?beta=true", "https://a.example/x/v1/messages?beta=true"],
    ["/anthropic/messages", "https://a.example/x/v1/messages"],
    [
      "/agent/a/gemini/v1beta/models/m:streamGenerateContent?alt=sse",
      "https://g.example/v1beta/models/m:streamGenerateContent?alt=sse",
    ],
    ["/openai/v1/files/a%2Fb", "https://o.example/base/v1/files/a%2Fb"],
    ["/openai/v1/x?next=/../y", "https://o.example/base/v1/x?next=/../y"],
  ])("%s", (path, url) => {
    expect(upstreamUrl(readAddress(path) as Address, UPSTREAMS)).toBe(url);
  });

  test.each([
    "",
    "/",
    "/v1/messages",
    "/openaix/v1",
    "/agent/openai/v1",
    "/agent//openai/v1",
    "/agent/%E0%A4%A/openai/v1",
    "/openai/v1/../../x",
    "/openai/v1/%2e%2E/x",
    "/openai/v1/.",
    "/openai/v1\\..\\x",
    "http://other.example/openai/v1/responses",
    "//other.example/openai/v1",
  ])("not %j", (path) => {
    expect(readAddress(path)).toBeUndefined();
  });
});

test.each([
  {},
  { agent: "night review/2" },
  { token: "a/b?c" },
  { token: "t", agent: "a" },
  { baggage: "spendfuse.agents=a|b" },
])("an address is read as it was written: %j", (caller) => {
  const url = new URL(`${writeAddress("http://127.0.0.1:1", "anthropic", caller)}/v1/messages`);
  const { token, agent, baggage } = caller as Record<string, string | undefined>;
  expect(readAddress(url.pathname)).toEqual({ api: "anthropic", rest: "/v1/messages", token, agent, baggage });
});
