// Mistral's SDK, which wants an OpenTelemetry SDK of 2.x as a peer.
import { Mistral } from "@mistralai/mistralai";
import { flush, onCall, scope } from "spendfuse";
import report from "./report.cjs";

const print = report(onCall);
const mistral = new Mistral({ apiKey: "test", serverURL: process.env.MODEL_URL });
const question = { model: "mistral-small-latest", messages: [{ role: "user", content: "Hi" }] };
await scope({ agent: process.env.TEST_AGENT }, async () => {
  await mistral.chat.complete(question);
  for await (const _ of await mistral.chat.stream(question));
});
await flush();
print();
