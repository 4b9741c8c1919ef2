import type { Bound } from "../bound.ts";
import { chunkBound, LONG, SHORT } from "./chunk.ts";

/** The SDK of Anthropic. */
export const anthropicChunk: Bound = chunkBound("anthropic", LONG, 8);
export const anthropicStream: Bound = chunkBound("anthropic", SHORT);
