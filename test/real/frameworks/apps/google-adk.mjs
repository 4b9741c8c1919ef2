// Agents of Google's ADK. Nothing here knows that it is metered.
import { AgentTool, FunctionTool, Gemini, InMemoryRunner, LlmAgent, ParallelAgent, StreamingMode } from "@google/adk";
import { z } from "zod";

const model = () => new Gemini({ model: "gemini-2.5-flash", apiKey: "test" });
const parameters = z.object({ q: z.string() });
const look = (name) => new FunctionTool({ name, description: "Looks it up", parameters, execute: async () => "42" });
const agent = (name, instruction, more = {}) =>
  new LlmAgent({ name, description: `The ${name}`, model: model(), instruction, ...more });
const asTool = (inner) => new AgentTool({ agent: inner });

const solo = agent("solo", "You are solo of solo.", { tools: [look("look")] });
const writer = agent("writer", "You are writer of editor.", { tools: [look("read")] });
const checker = agent("checker", "You are checker of editor.");
const editor = agent("editor", "You are editor of editor. All at once.", { tools: [asTool(writer), asTool(checker)] });
const desk = agent("desk", "You are desk of chief.", {
  tools: [asTool(agent("reporter", "You are reporter of chief."))],
});
const chief = agent("chief", "You are chief of chief.", { tools: [asTool(desk)] });
const billing = agent("billing", "You are billing of triage.", { tools: [look("find")] });
const triage = agent("triage", 'You are triage of triage. Arguments: {"agentName":"billing"}', {
  subAgents: [billing],
});
const both = new ParallelAgent({
  name: "both",
  subAgents: [
    agent("left", "You are left of both.", { disallowTransferToParent: true, disallowTransferToPeers: true }),
    agent("right", "You are right of both.", { disallowTransferToParent: true, disallowTransferToPeers: true }),
  ],
});

async function run(root, streamingMode = StreamingMode.NONE) {
  const newMessage = { role: "user", parts: [{ text: "Go" }] };
  const events = new InMemoryRunner({ agent: root }).runEphemeral({
    userId: "customer",
    newMessage,
    runConfig: { streamingMode },
  });
  await new Promise((resolve, reject) => {
    // Read in another place than where it was begun.
    setTimeout(async () => {
      try {
        for await (const event of events) if (event.errorMessage) throw new Error(event.errorMessage);
        resolve();
      } catch (error) {
        reject(error);
      }
    }, 5);
  });
}

await run(solo);
await run(editor);
await run(chief);
await run(triage);
await run(both);
await run(editor, StreamingMode.SSE);
await Promise.all([run(editor), run(chief, StreamingMode.SSE), run(triage), run(both), run(solo, StreamingMode.SSE)]);
