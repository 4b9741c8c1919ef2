import type { Bound } from "../bound.ts";
import { chunkBound } from "./chunk.ts";

/** The SDK of Anthropic. */
export const anthropicChunk: Bound = chunkBound("anthropic", 8);
