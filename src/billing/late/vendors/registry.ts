export { anthropic } from "./anthropic.ts";
export { openai } from "./openai.ts";
export { openrouter } from "./openrouter.ts";
