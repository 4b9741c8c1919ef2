/** Every vendor's rows, one line each. */
export { anthropic } from "./anthropic.ts";
export { bedrock } from "./bedrock.ts";
export { google } from "./google.ts";
export { groq } from "./groq.ts";
export { moonshot } from "./moonshot.ts";
export { openai } from "./openai.ts";
export { perplexity } from "./perplexity.ts";
export { together } from "./together.ts";
export { xai } from "./xai.ts";
