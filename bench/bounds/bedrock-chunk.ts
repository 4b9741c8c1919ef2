import type { Bound } from "../bound.ts";
import { chunkBound, LONG } from "./chunk.ts";

/** Binary frames, beside a bare fetch whose caller decodes nothing. */
export const bedrockChunk: Bound = chunkBound("bedrock", LONG);
