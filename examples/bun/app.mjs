import OpenAI from "openai";
import { scope } from "spendfuse";

const openai = new OpenAI();
const ask = (content) => ({ model: "gpt-5-mini", messages: [{ role: "user", content }] });

await scope({ agent: "researcher" }, async () => {
  const stream = await openai.chat.completions.create({ ...ask("Name a river."), stream: true });
  for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
});
await scope({ agent: "writer" }, () => openai.chat.completions.create(ask("Write a line on it.")));
console.log();
