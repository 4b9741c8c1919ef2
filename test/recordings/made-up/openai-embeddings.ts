import { type Recording, whole } from "../exchange.ts";

const FORMAT = "openai-embeddings";
const URI = "https://api.openai.com/v1/embeddings";
const request = { model: "text-embedding-3-small", input: ["The river Lune", "Sunderland Point"] };

export const OPENAI_EMBEDDINGS: readonly Recording[] = [
  whole(
    FORMAT,
    "whole",
    { uri: URI, request, usage: { input: 8 } },
    {
      object: "list",
      data: request.input.map((_, index) => ({ object: "embedding", index, embedding: [0.25, -0.5, index] })),
      model: "text-embedding-3-small",
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
  ),
  whole(
    FORMAT,
    "error, unknown model",
    { uri: URI, request: { ...request, model: "no-model" }, status: 404 },
    {
      error: {
        message: "The model does not exist",
        type: "invalid_request_error",
        param: null,
        code: "model_not_found",
      },
    },
  ),
];
