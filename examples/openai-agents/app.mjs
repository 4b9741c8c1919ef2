import { Agent, run } from "@openai/agents";

const model = "gpt-5-mini";
const writer = new Agent({ name: "writer", model, instructions: "Write one line." });
const editor = new Agent({ name: "editor", model, instructions: "Shorten the line." });

const draft = await run(writer, "Water");
await run(editor, draft.finalOutput ?? "");
