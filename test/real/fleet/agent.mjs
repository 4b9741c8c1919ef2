// An agent that spends what it is told to: a line of JSON on its input, a line of JSON on its output when that is done.
import { createInterface } from "node:readline";
import { flush, scope } from "spendfuse";

const headers = { authorization: "Bearer sk-test", "content-type": "application/json" };

async function call({ input, output }) {
  const messages = [{ role: "user", content: "Name a river." }];
  const body = JSON.stringify({ model: "gpt-5-mini", messages, metadata: { input, output } });
  const answer = await fetch(`${process.env.MODEL_URL}/v1/chat/completions`, { method: "POST", headers, body });
  await answer.text();
  return answer.status;
}

async function spend({ agent, calls, flushes, ...tokens }) {
  const statuses = [];
  for (let index = 0; index < calls; index++) {
    statuses.push(await scope({ agent }, () => call(tokens)));
    if (flushes) await flush();
  }
  return statuses;
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await spend(JSON.parse(line))));
}
