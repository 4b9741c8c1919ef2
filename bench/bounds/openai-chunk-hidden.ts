import type { Bound } from "../bound.ts";
import { chunkBound, LONG, SHORT } from "./chunk.ts";

/** The SDK of OpenAI, where we ask for usage and take the answer out again. */
export const openaiChunkHidden: Bound = chunkBound("openai-hidden", LONG, 5);
export const openaiStreamHidden: Bound = chunkBound("openai-hidden", SHORT);
