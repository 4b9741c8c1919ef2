import { openai } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import { scope } from "spendfuse";

const model = openai("gpt-5-mini");

await scope({ agent: "chat" }, async () => {
  const { textStream } = streamText({ model, prompt: "Name a river." });
  for await (const text of textStream) process.stdout.write(text);
});
await scope({ agent: "summary" }, () => generateText({ model, prompt: "Sum up the river." }));
