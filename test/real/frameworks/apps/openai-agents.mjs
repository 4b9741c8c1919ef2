// Agents of OpenAI's Agents SDK. Nothing here knows that it is metered.
import { Agent, run, setTraceProcessors, tool } from "@openai/agents";
import { z } from "zod";

setTraceProcessors([]);
const model = "gpt-5";
const look = (name) =>
  tool({ name, description: "Looks it up", parameters: z.object({ q: z.string() }), execute: async () => "42" });

const solo = new Agent({ name: "solo", model, instructions: "You are solo of solo.", tools: [look("look")] });

const writer = new Agent({ name: "Writer", model, instructions: "You are writer of editor.", tools: [look("read")] });
const checker = new Agent({ name: "checker", model, instructions: "You are checker of editor." });
const asTool = (agent, toolName) => agent.asTool({ toolName, toolDescription: "Asks a colleague" });
const editor = new Agent({
  name: "editor",
  model,
  instructions: "You are editor of editor. All at once.",
  tools: [asTool(writer, "ask_writer"), asTool(checker, "ask_checker")],
});

const chiefWriter = new Agent({
  name: "desk",
  model,
  instructions: "You are desk of chief.",
  tools: [asTool(new Agent({ name: "reporter", model, instructions: "You are reporter of chief." }), "ask_reporter")],
});
const chief = new Agent({
  name: "chief",
  model,
  instructions: "You are chief of chief.",
  tools: [asTool(chiefWriter, "ask_desk")],
});

const refunds = new Agent({
  name: "refunds",
  model,
  instructions: "You are refunds of triage.",
  tools: [look("find")],
});
const billing = new Agent({ name: "billing", model, instructions: "You are billing of triage.", handoffs: [refunds] });
const triage = new Agent({ name: "triage", model, instructions: "You are triage of triage.", handoffs: [billing] });

async function stream(agent) {
  const result = await run(agent, "Go", { stream: true });
  // Read in another place than where it was begun.
  await new Promise((resolve, reject) => {
    setTimeout(async () => {
      for await (const _ of result) {
      }
      result.completed.then(resolve, reject);
    }, 5);
  });
}

await run(solo, "Go");
await run(editor, "Go");
await run(chief, "Go");
await run(triage, "Go");
await stream(editor);
await stream(triage);
await Promise.all([run(editor, "Go"), run(triage, "Go"), stream(chief), stream(solo), run(solo, "Go")]);
