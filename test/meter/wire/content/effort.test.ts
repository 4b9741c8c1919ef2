import { expect, test } from "vitest";
import { anthropicMessages } from "../../../../src/meter/wire/formats/anthropic-messages.ts";
import type { WireFormat } from "../../../../src/meter/wire/formats/format.ts";
import { googleGenerate } from "../../../../src/meter/wire/formats/google-generate.ts";
import { openaiChat } from "../../../../src/meter/wire/formats/openai-chat.ts";
import { openaiResponses } from "../../../../src/meter/wire/formats/openai-responses.ts";

const messages = [{ role: "user", content: "Hi" }];
const gemini = (thinkingConfig: object) => ({ contents: [], generationConfig: { thinkingConfig } });

test.each<[WireFormat, object, string | undefined]>([
  [openaiChat, { messages }, undefined],
  [openaiChat, { messages, reasoning_effort: "xhigh" }, "xhigh"],
  [openaiChat, { messages, reasoning: { effort: "none" } }, "none"],
  [openaiChat, { messages, reasoning_effort: 3 }, undefined],
  [openaiResponses, { input: "Hi", reasoning: { effort: "minimal" } }, "minimal"],
  [openaiResponses, { input: "Hi", reasoning: null }, undefined],
  [anthropicMessages, { messages, max_tokens: 9, thinking: { type: "disabled" } }, "none"],
  [anthropicMessages, { messages, max_tokens: 9, output_config: { effort: "max" } }, "max"],
  [anthropicMessages, { messages, max_tokens: 9, thinking: { type: "enabled", budget_tokens: 9 } }, undefined],
  [googleGenerate, gemini({ thinkingBudget: 0 }), "none"],
  [googleGenerate, gemini({ thinkingBudget: -1 }), undefined],
  [googleGenerate, gemini({ thinkingLevel: "LOW" }), "low"],
])("$name reads the effort of %j", (format, body, effort) => {
  const [endpoint] = format.endpoints;
  expect(format.readRequest({ ...body }, { endpoint: endpoint as never, model: "m" })?.effort).toBe(effort);
});
