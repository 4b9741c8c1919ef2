import type { Bound } from "../bound.ts";
import { chunkBound, LONG } from "./chunk.ts";

/** Bare fetch, where each chunk goes through a second stream: that stream is most of it, and there is no SDK beside. */
export const pulledChunk: Bound = chunkBound("fetch", LONG);
