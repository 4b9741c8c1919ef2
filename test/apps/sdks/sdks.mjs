export { createOpenAI } from "@ai-sdk/openai";
export { default as Anthropic } from "@anthropic-ai/sdk";
export { GoogleGenAI } from "@google/genai";
export { streamText } from "ai";
export { default as Groq } from "groq-sdk";
export { default as OpenAI7 } from "openai";
export { default as OpenAI5 } from "openai-5";
export { default as OpenAI6 } from "openai-6";
