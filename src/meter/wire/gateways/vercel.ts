import type { Gateway } from "./gateway.ts";

/**
 * Vercel's AI Gateway, known by its host alone: what a call cost is in the answer's body. That it takes the question is
 * seen in published recordings.
 */
export const vercel: Gateway = { name: "vercel", signs: [], takesQuestion: true };
