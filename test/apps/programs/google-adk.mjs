// An agent of Google's ADK, which pins OpenTelemetry's API 1.9.0 and SDK 2.x.
import { Gemini, InMemoryRunner, LlmAgent, StreamingMode } from "@google/adk";
import { flush, onCall, scope } from "spendfuse";
import report from "./report.cjs";

const print = report(onCall);
const agent = new LlmAgent({ name: "greeter", model: new Gemini({ model: "gemini-2.5-flash", apiKey: "test" }) });
const runner = new InMemoryRunner({ agent });
const newMessage = { role: "user", parts: [{ text: "Hi" }] };
await scope({ agent: process.env.TEST_AGENT }, async () => {
  for (const streamingMode of [StreamingMode.NONE, StreamingMode.SSE]) {
    for await (const event of runner.runEphemeral({ userId: "test", newMessage, runConfig: { streamingMode } })) {
      if (event.errorMessage) throw new Error(event.errorMessage);
    }
  }
});
await flush();
print();
