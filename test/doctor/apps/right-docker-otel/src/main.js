import Anthropic from "@anthropic-ai/sdk";
import { scope } from "spendfuse";
import "./tracing.js";

const client = new Anthropic();
const messages = [{ role: "user", content: "What is a fuse?" }];
const answer = await scope({ agent: "support-bot" }, () =>
  client.messages.create({ model: "claude-haiku-4-5", max_tokens: 200, messages }),
);
console.log(answer.content);
