import { Codex } from "@openai/codex-sdk";

// Without an address of its own, the program takes the one of its arguments.
const baseUrl = process.env.OPENAI_BASE_URL;
const codex = new Codex({ apiKey: "sk-x", ...(baseUrl && { baseUrl }) });
const turn = await codex.startThread({ skipGitRepoCheck: true }).run("say hello");
console.log(turn.finalResponse);
