import OpenAI, { AzureOpenAI } from "openai";
import type { Site } from "./shape.ts";

const messages = [{ role: "user" as const, content: "What is the capital of Mexico?" }];
export const chat = { model: "gpt-4o", messages };
export const input = "What is the exchange rate of the dollar to the euro?";
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const tools = [
  { type: "function" as const, function: { name: "get_weather", description: "Weather", parameters } },
];
export const schema = { ...parameters, additionalProperties: false };
export const response_format = { type: "json_schema" as const, json_schema: { name: "city", strict: true, schema } };

export function client({ url, key, timeout, retries }: Site): OpenAI {
  const given = timeout === undefined ? {} : { timeout };
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: retries, ...given });
}

export type Chunks = AsyncIterable<unknown>;

export function azure({ url, key, timeout, retries }: Site): AzureOpenAI {
  const given = timeout === undefined ? {} : { timeout };
  return new AzureOpenAI({ endpoint: url, apiKey: key, apiVersion: "2024-10-21", maxRetries: retries, ...given });
}
