/** Every reader of identity, one line each. */
export { activeSpan } from "./active-span.ts";
export { aiSdk } from "./ai-sdk.ts";
export { ddTrace } from "./dd-trace.ts";
export { googleAdk } from "./google-adk.ts";
export { langchain } from "./langchain.ts";
export { openaiAgents } from "./openai-agents.ts";
export { request } from "./request.ts";
