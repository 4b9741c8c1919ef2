const report = require("./report.cjs");

const messages = [{ role: "user", content: "Hi" }];

/** A whole answer with plain fetch and a stream with OpenAI's SDK, each heard once by `onCall`. */
module.exports = async function spend({ flush, onCall, scope, start }, OpenAI) {
  await start();
  const heard = [];
  const off = onCall(({ stream, usage, costUsd, scope }) => heard.push({ stream, usage, costUsd, agent: scope.agent }));
  const print = report(onCall);
  await scope({ agent: process.env.TEST_AGENT }, async () => {
    const response = await fetch(`${process.env.MODEL_URL}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer sk-test" },
      body: JSON.stringify({ model: "gpt-5-mini", messages }),
    });
    await response.json();
    const client = new OpenAI({ apiKey: "sk-test", baseURL: `${process.env.MODEL_URL}/v1` });
    for await (const _ of await client.chat.completions.create({ model: "gpt-5-mini", messages, stream: true }));
  });
  await flush();
  off();
  expect(heard).toMatchObject([{ stream: false }, { stream: true }]);
  print();
};
