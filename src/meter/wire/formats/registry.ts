/** Every wire format, one line each. */
export { anthropicMessages } from "./anthropic-messages.ts";
export { bedrockConverse } from "./bedrock-converse.ts";
export { bedrockInvoke } from "./bedrock-invoke.ts";
export { geminiLive } from "./gemini-live.ts";
export { googleGenerate } from "./google-generate.ts";
export { openaiChat } from "./openai-chat.ts";
export { openaiEmbeddings } from "./openai-embeddings.ts";
export { openaiRealtime } from "./openai-realtime.ts";
export { openaiResponses } from "./openai-responses.ts";
