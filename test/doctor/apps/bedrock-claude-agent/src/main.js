import { query } from "@anthropic-ai/claude-agent-sdk";
import { BedrockRuntimeClient, ConverseCommand } from "@aws-sdk/client-bedrock-runtime";
import { scope } from "spendfuse";
import { ask } from "./ask.js";

const messages = [{ role: "user", content: [{ text: "What is a fuse?" }] }];
await scope({ agent: "builder" }, async () => {
  await new BedrockRuntimeClient({}).send(new ConverseCommand({ modelId: "amazon.nova-pro-v1:0", messages }));
  for await (const message of query({ prompt: "Build it." })) console.log(message.type);
  await ask("What is a fuse?");
});
