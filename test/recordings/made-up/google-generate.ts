import { type Exchange, type Recording, stream, whole } from "../exchange.ts";

const FORMAT = "google-generate";
const GEMINI = "https://generativelanguage.googleapis.com/v1beta/models";
const VERTEX = "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models";
const contents = [{ role: "user", parts: [{ text: "Where does the river Lune meet the sea?" }] }];
const parameters = { type: "OBJECT", properties: { town: { type: "STRING" } }, required: ["town"] };
const tools = [{ functionDeclarations: [{ name: "tide_table", description: "Tides of a town", parameters }] }];

interface Counts {
  readonly prompt: number;
  readonly shown?: number;
  readonly thoughts?: number;
  readonly cached?: number;
  readonly toolPrompt?: number;
}

/** The candidates' count is without thoughts, and what tools put into the prompt is without the prompt. */
function usageOf({ prompt, shown, thoughts, cached, toolPrompt }: Counts): object {
  return {
    promptTokenCount: prompt,
    ...(shown !== undefined && { candidatesTokenCount: shown }),
    ...(cached !== undefined && { cachedContentTokenCount: cached }),
    ...(toolPrompt !== undefined && { toolUsePromptTokenCount: toolPrompt }),
    totalTokenCount: prompt + (shown ?? 0) + (thoughts ?? 0) + (toolPrompt ?? 0),
    promptTokensDetails: [{ modality: "TEXT", tokenCount: prompt }],
    ...(thoughts !== undefined && { thoughtsTokenCount: thoughts }),
  };
}

function answer(model: string, parts: readonly object[], usage: object, finishReason?: string): object {
  return {
    candidates: [{ content: { parts, role: "model" }, ...(finishReason && { finishReason }), index: 0 }],
    usageMetadata: usage,
    ...{ modelVersion: model, responseId: "made-up" },
  };
}

const asking = (
  model: string,
  method: string,
  more: object = {},
  usage?: Exchange["usage"],
  { status = 200, base = GEMINI } = {},
): Exchange => ({
  ...{ uri: `${base}/${model}:${method}`, request: { contents, ...more }, status },
  ...(usage && { usage }),
});

const ANSWER = "The river meets the sea near Sunderland Point.";
const FLASH = "gemini-2.5-flash";
const PREVIEW = "gemini-3-flash-preview";
const SIGNED = { text: "", thoughtSignature: "bWFkZSB1cA==".repeat(10) };
const WHOLE_METHOD = "generateContent";
const STREAM_METHOD = "streamGenerateContent?alt=sse";

const WHOLE: readonly Recording[] = [
  whole(
    FORMAT,
    "whole",
    asking(FLASH, WHOLE_METHOD, {}, { input: 11, output: 72, reasoning: 60 }),
    answer(FLASH, [{ text: ANSWER }], usageOf({ prompt: 11, shown: 12, thoughts: 60 }), "STOP"),
  ),
  whole(
    FORMAT,
    "whole, tools",
    asking(FLASH, WHOLE_METHOD, { tools }, { input: 58, output: 16 }),
    answer(
      FLASH,
      [{ functionCall: { name: "tide_table", args: { town: "Heysham" } } }],
      usageOf({ prompt: 58, shown: 16 }),
      "STOP",
    ),
  ),
  whole(
    FORMAT,
    "whole, cache and what tools put in, on Vertex",
    asking(FLASH, WHOLE_METHOD, {}, { input: 3500, output: 12, cacheRead: 2048 }, { base: VERTEX }),
    answer(
      FLASH,
      [{ text: ANSWER }],
      { ...usageOf({ prompt: 3000, shown: 12, cached: 2048, toolPrompt: 500 }), trafficType: "ON_DEMAND" },
      "STOP",
    ),
  ),
  whole(
    FORMAT,
    "whole, ended by the limit while it thought",
    asking(
      FLASH,
      WHOLE_METHOD,
      { generationConfig: { maxOutputTokens: 40 } },
      { input: 11, output: 40, reasoning: 40 },
    ),
    answer(FLASH, [], usageOf({ prompt: 11, thoughts: 40 }), "MAX_TOKENS"),
  ),
  whole(FORMAT, "whole, the prompt is blocked", asking(FLASH, WHOLE_METHOD, {}, { input: 11 }), {
    promptFeedback: { blockReason: "PROHIBITED_CONTENT" },
    usageMetadata: usageOf({ prompt: 11 }),
    ...{ modelVersion: FLASH, responseId: "made-up" },
  }),
  whole(FORMAT, "error, bad request", asking(FLASH, WHOLE_METHOD, { contents: [] }, undefined, { status: 400 }), {
    error: { code: 400, message: "contents is not specified", status: "INVALID_ARGUMENT" },
  }),
];

/** Google ends its lines with both characters. */
const frame = (body: object) => `data: ${JSON.stringify(body)}\r\n\r\n`;

const STREAMS: readonly Recording[] = [
  stream(FORMAT, "stream", asking(PREVIEW, STREAM_METHOD, {}, { input: 11, output: 52, reasoning: 40 }), [
    frame(answer(PREVIEW, [{ text: "The river meets" }], usageOf({ prompt: 11, shown: 3, thoughts: 40 }))),
    frame(answer(PREVIEW, [{ text: " the sea near" }], usageOf({ prompt: 11, shown: 6, thoughts: 40 }))),
    frame(answer(PREVIEW, [{ text: " Sunderland Point." }], usageOf({ prompt: 11, shown: 12, thoughts: 40 }))),
    frame(answer(PREVIEW, [SIGNED], usageOf({ prompt: 11, shown: 12, thoughts: 40 }), "STOP")),
  ]),
  stream(
    FORMAT,
    "stream, thoughts that show",
    asking(
      PREVIEW,
      STREAM_METHOD,
      { generationConfig: { thinkingConfig: { includeThoughts: true } } },
      {
        ...{ input: 11, output: 74, reasoning: 62 },
      },
    ),
    [
      frame(
        answer(PREVIEW, [{ text: "A river of Lancashire.", thought: true }], usageOf({ prompt: 11, thoughts: 30 })),
      ),
      frame(answer(PREVIEW, [{ text: "It ends in a bay.", thought: true }], usageOf({ prompt: 11, thoughts: 62 }))),
      frame(answer(PREVIEW, [{ text: ANSWER }], usageOf({ prompt: 11, shown: 12, thoughts: 62 }))),
      frame(answer(PREVIEW, [SIGNED], usageOf({ prompt: 11, shown: 12, thoughts: 62 }), "STOP")),
    ],
  ),
  stream(FORMAT, "stream, tools", asking(PREVIEW, STREAM_METHOD, { tools }, { input: 58, output: 46, reasoning: 30 }), [
    frame(
      answer(
        PREVIEW,
        [{ functionCall: { name: "tide_table", args: { town: "Heysham" } }, thoughtSignature: "bWFkZSB1cA==" }],
        usageOf({ prompt: 58, shown: 16, thoughts: 30 }),
      ),
    ),
    frame(answer(PREVIEW, [{ text: "" }], usageOf({ prompt: 58, shown: 16, thoughts: 30 }), "STOP")),
  ]),
  stream(FORMAT, "stream, broken by an error", asking(PREVIEW, STREAM_METHOD), [
    frame(answer(PREVIEW, [{ text: "The river meets" }], usageOf({ prompt: 11 }))),
    frame({ error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } }),
  ]),
];

export const GOOGLE_GENERATE: readonly Recording[] = [...WHOLE, ...STREAMS];
