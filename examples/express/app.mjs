import express from "express";
import OpenAI from "openai";
import { scope } from "spendfuse";

const openai = new OpenAI();
const app = express();

// Everything that a request causes belongs to its agent, however deep it is called.
app.use((_request, _response, next) => scope({ agent: "helpdesk", team: "support" }, async () => next()));

app.get("/ask", async (request, response) => {
  const messages = [{ role: "user", content: String(request.query.q) }];
  const answer = await openai.chat.completions.create({ model: "gpt-5-mini", messages });
  response.send(answer.choices[0].message.content);
});

const server = app.listen(process.env.PORT ?? 3000, () => console.log(`listening on ${server.address().port}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close());
