import OpenAI from "openai";
import { flush, scope } from "spendfuse";

const openai = new OpenAI();

export async function handler({ question }) {
  try {
    return await scope({ agent: "answerer" }, async () => {
      const messages = [{ role: "user", content: question }];
      const answer = await openai.chat.completions.create({ model: "gpt-5-mini", messages });
      return { statusCode: 200, body: answer.choices[0].message.content };
    });
  } finally {
    await flush();
  }
}
