import {
  type AttachmentTokens,
  anthropicAttachment,
  googleAttachment,
  openaiAttachment,
} from "./content/attachment-tokens.ts";
import type { ToolShape } from "./content/tools.ts";

/**
 * What text costs in tokens, for calls that report no usage, where nothing was learned of the model yet. Fitted on
 * recorded calls; `test/recordings/learned.test.ts` prints the errors.
 */
export interface EstimateRates {
  /** Tokens of any request, and of each of its messages, beside their text. */
  readonly request: number;
  readonly message: number;
  /** UTF-8 bytes per token of the request's text. */
  readonly inputBytes: number;
  /** OpenAI's tokenizer, which some users have installed, is the model's own. */
  readonly countable: boolean;
  /** Tokens of having tools at all, of each tool, of each of its arguments, and bytes per token of their text. */
  readonly tools: number;
  readonly tool: number;
  readonly argument: number;
  readonly toolBytes: number;
  readonly attachment: AttachmentTokens;
  /** Tokens of a tool that the vendor runs itself; what that finds comes on top. */
  readonly servedTool: number;
  /** Whether reasoning that is sent back is input again, and not reported as part of the output. */
  readonly keepsReasoning: boolean;
  /** UTF-8 bytes per token of the response's text, and of the names and arguments of tool calls. */
  readonly outputBytes: number;
  readonly argumentBytes: number;
  /** Tokens of calling tools at all, of each call, and of each byte of its first arguments, beside their text. */
  readonly calls: number;
  readonly toolCall: number;
  readonly argumentMarks: number;
}

/** The rates of a model, by the name that requests use. */
export type RatesOf = (model: string) => EstimateRates;

const OPENAI: EstimateRates = {
  request: 3,
  message: 4,
  inputBytes: 4.5,
  countable: true,
  tools: 11,
  tool: 6,
  argument: 5,
  toolBytes: 4.7,
  attachment: openaiAttachment,
  servedTool: 300,
  keepsReasoning: true,
  outputBytes: 4.5,
  argumentBytes: 4.5,
  calls: 0,
  toolCall: 9,
  argumentMarks: 0,
};

/** What they reason is reported in steps of 64 tokens, and the rest of it as output. */
const GPT_5: EstimateRates = { ...OPENAI, outputBytes: 4.1 };

const OPENAI_O: EstimateRates = { ...OPENAI, outputBytes: 4.8 };

const ANTHROPIC: EstimateRates = {
  request: 3,
  message: 4,
  inputBytes: 4.1,
  countable: false,
  tools: 480,
  tool: 40,
  argument: 20,
  toolBytes: 4,
  attachment: anthropicAttachment,
  servedTool: 1_500,
  keepsReasoning: false,
  outputBytes: 4.2,
  argumentBytes: 3.1,
  calls: 28,
  toolCall: 6,
  argumentMarks: 0.28,
};

/** The tokenizer since Claude Opus 4.7 makes up to a third more tokens of the same text. */
const NEW_ANTHROPIC: EstimateRates = {
  ...ANTHROPIC,
  inputBytes: 2.9,
  tools: 300,
  toolBytes: 2.9,
  outputBytes: 2.9,
  argumentBytes: 2.4,
  calls: 22,
};
const IS_NEW_ANTHROPIC = /opus-(?:4-[78]|5)|sonnet-5|haiku-5|fable/;

const GOOGLE: EstimateRates = {
  request: 0,
  message: 0.5,
  inputBytes: 4.2,
  countable: false,
  tools: 4,
  tool: 14,
  argument: 6,
  toolBytes: 4,
  attachment: googleAttachment,
  servedTool: 150,
  keepsReasoning: false,
  outputBytes: 4.4,
  argumentBytes: 4.4,
  calls: 0,
  toolCall: 5,
  argumentMarks: 0,
};

/** Since Gemini 3 signed thoughts are input again. */
const NEW_GOOGLE: EstimateRates = { ...GOOGLE, keepsReasoning: true };

/** Models that are served by many hosts write tools as JSON. */
const OPEN: EstimateRates = {
  ...OPENAI,
  tools: 10,
  tool: 26,
  argument: 12,
  toolBytes: 3.5,
  keepsReasoning: false,
  countable: false,
};

/** What their chat templates add, by name. */
const OPEN_MODELS: readonly (readonly [RegExp, EstimateRates])[] = [
  [/claude.*(?:4[.-][78]|5)$/, NEW_ANTHROPIC],
  [/claude/, ANTHROPIC],
  [/llama-?4/, { ...OPEN, tools: 620, toolCall: 30 }],
  [/gpt-oss/, { ...OPENAI, request: 70, tools: 20 }],
  [/qwen.*coder/, { ...OPEN, tools: 200 }],
  [/deepseek-v4/, { ...OPEN, request: 78 }],
  [/mistral|magistral|deepseek|qwen|llama|glm|kimi|grok/, OPEN],
];

export const openaiRates: RatesOf = (model) => {
  const name = model.toLowerCase();
  const openai = /^(?:openai\/)?(?:(gpt-5)|gpt-[34]|(o\d))/.exec(name);
  if (openai !== null) return openai[1] ? GPT_5 : openai[2] ? OPENAI_O : OPENAI;
  return OPEN_MODELS.find(([pattern]) => pattern.test(name))?.[1] ?? OPENAI;
};

/** In chat completions GPT-5 is told more about its tools than in Responses. */
const CHAT_GPT_5: EstimateRates = { ...GPT_5, tools: 91 };

export const chatRates: RatesOf = (model) => (/^(?:openai\/)?gpt-5/.test(model) ? CHAT_GPT_5 : openaiRates(model));

export const anthropicRates: RatesOf = (model) => (IS_NEW_ANTHROPIC.test(model) ? NEW_ANTHROPIC : ANTHROPIC);

/** By the vendor of the model inside. */
export const bedrockRates: RatesOf = (model) =>
  /claude|anthropic/.test(model) ? anthropicRates(model) : openaiRates(model);

export const googleRates: RatesOf = (model) => (/gemini-[3-9]/.test(model) ? NEW_GOOGLE : GOOGLE);

export function toolTokens(rates: EstimateRates, tools: ToolShape | undefined): number {
  if (tools === undefined) return 0;
  const served = rates.servedTool * tools.served;
  if (tools.count === 0) return served;
  return served + rates.tools + rates.tool * tools.count + rates.argument * tools.fields + tools.text / rates.toolBytes;
}
