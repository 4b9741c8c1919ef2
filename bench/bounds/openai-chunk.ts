import type { Bound } from "../bound.ts";
import { chunkBound, LONG, SHORT } from "./chunk.ts";

/** The SDK of OpenAI, whose caller asks for usage. */
export const openaiChunk: Bound = chunkBound("openai", LONG, 5);
export const openaiStream: Bound = chunkBound("openai", SHORT);
