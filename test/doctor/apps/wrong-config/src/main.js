import { openai } from "@ai-sdk/openai";
import { generateText } from "ai";
import { client } from "./client.js";
import "spendfuse/register";

const { text } = await generateText({ model: openai("gpt-5"), prompt: "What is a fuse?" });
const { output_text } = await client.responses.create({ model: "gpt-5", input: `Shorter: ${text}` });
console.log(output_text);
