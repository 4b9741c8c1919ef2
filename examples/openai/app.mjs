import OpenAI from "openai";
import { scope } from "spendfuse";

const openai = new OpenAI();
const ask = (content) => openai.chat.completions.create({ model: "gpt-5-mini", messages: [{ role: "user", content }] });

await scope({ agent: "researcher" }, async () => {
  await ask("Name a river.");
  await ask("Name a lake.");
});
await scope({ agent: "writer" }, () => ask("Write a line about water."));
