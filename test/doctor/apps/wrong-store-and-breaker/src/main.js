import OpenAI from "openai";

await new OpenAI().responses.create({ model: "gpt-5", input: "What is a fuse?" });
