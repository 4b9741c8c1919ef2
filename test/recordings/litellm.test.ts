import { afterAll, describe, expect, test } from "vitest";
import { type Metered, meterAnswer } from "../meter/wire/metered-answer.ts";
import { type ProxyExchange, recordedExchanges } from "./litellm-exchanges.ts";
import { litellm } from "./made-up/litellm.ts";

const NOT_THERE = "../shared/reference/litellm-exchanges.jsonl is not there: only made-up exchanges are replayed";

function replay(exchange: ProxyExchange, size: number): Promise<Metered> {
  const { path, request, status, headers, response } = exchange;
  return meterAnswer({ url: `https://llm.example.com${path}`, request, status, headers, body: response, size });
}

function expectCost({ usd, status, headers }: ProxyExchange, { call, text }: Metered, response: string): void {
  expect(text).toBe(response);
  expect(call.status).toBe(status);
  if (status < 400) expect(call.ending).toBe("completed");
  const [, provider, model] = /^([^/]+)\/(.+)$/.exec(headers["x-litellm-model-name"] ?? "") ?? [];
  if (model !== undefined) expect(call).toMatchObject({ provider, model });
  if (typeof usd === "number") {
    expect(call.costUsd).toBeDefined();
    expect(Math.abs((call.costUsd as number) - usd)).toBeLessThanOrEqual(usd * 1e-6);
    expect(call.priced).toBe(call.costSource === "provider" || model === undefined ? "true" : "inexact");
  } else if (usd === "estimate") {
    expect(call.quality).toBe("estimated");
    // Nobody but the operator has a price for a model of the house.
    if (/^(?:in-)?house-/.test(call.model)) expect(call.costUsd).toBeUndefined();
    else expect(call.costUsd).toBeGreaterThan(0);
  } else {
    // What is free says so nowhere, and what is unknown is not 0.
    expect(call.costUsd).toBeUndefined();
  }
}

const exchanges = [...litellm, ...(recordedExchanges ?? [])];

describe("exchanges of a LiteLLM proxy, each at the cost of its own log", () => {
  let right = 0;

  test.each(exchanges.map((exchange, index) => [index, exchange.case, exchange] as const))(
    "%i %s",
    async (_index, _case, exchange) => {
      for (const size of [1 << 20, 97]) expectCost(exchange, await replay(exchange, size), exchange.response);
      right += 1;
    },
  );

  if (recordedExchanges === undefined) test.skip(NOT_THERE, () => {});

  afterAll(() => {
    const made = `${litellm.length} made up`;
    const recorded = recordedExchanges === undefined ? NOT_THERE : `${recordedExchanges.length} recorded`;
    console.log(`LiteLLM's exchanges at their cost: ${right} of ${exchanges.length} (${made}, ${recorded})`);
  });
});
