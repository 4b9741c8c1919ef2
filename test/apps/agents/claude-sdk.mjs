import { query } from "@anthropic-ai/claude-agent-sdk";

const options = { model: "claude-sonnet-4-6" };
for await (const message of query({ prompt: "say hello", options })) {
  if (message.type === "result") console.log(message.result ?? message.subtype, JSON.stringify(message.errors ?? ""));
}
