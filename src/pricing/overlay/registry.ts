/** Every vendor's rows, one line each. */
export { anthropic } from "./anthropic.ts";
export { bedrock } from "./bedrock.ts";
export { google } from "./google.ts";
export { groq } from "./groq.ts";
export { openai } from "./openai.ts";
