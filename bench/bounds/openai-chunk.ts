import type { Bound } from "../bound.ts";
import { chunkBound } from "./chunk.ts";

/** The SDK of OpenAI, whose caller asks for usage. */
export const openaiChunk: Bound = chunkBound("openai", 5);
