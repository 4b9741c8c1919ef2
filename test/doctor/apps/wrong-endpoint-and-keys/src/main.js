import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { scope } from "spendfuse";

export const clients = { openai: new OpenAI(), anthropic: new Anthropic(), google: new GoogleGenAI({}) };
await scope({ agent: "planner" }, () => clients.openai.responses.create({ model: "gpt-5", input: "What is a fuse?" }));
