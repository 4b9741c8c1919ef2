// Agents of LangChain 1 and graphs of LangGraph. Nothing here knows that it is metered.
import { Command, END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ChatOpenAI } from "@langchain/openai";
import { createAgent, tool } from "langchain";
import { z } from "zod";

const model = new ChatOpenAI({ model: "gpt-5" });
const schema = z.object({ q: z.string() });
const go = { messages: [{ role: "user", content: "Go" }] };
const look = (name) => tool(async () => "42", { name, description: "Looks it up", schema });
const ask = (name, agent) =>
  tool(async () => (await agent.invoke(go)).messages.at(-1).content, { name, description: "Asks a colleague", schema });

const solo = createAgent({ name: "solo", model, tools: [look("look")], systemPrompt: "You are solo of solo." });

const writer = createAgent({ name: "Writer", model, tools: [look("read")], systemPrompt: "You are writer of editor." });
const checker = createAgent({ name: "checker", model, tools: [], systemPrompt: "You are checker of editor." });
const editor = createAgent({
  name: "editor",
  model,
  tools: [ask("ask_writer", writer), ask("ask_checker", checker)],
  systemPrompt: "You are editor of editor. All at once.",
});

const reporter = createAgent({ name: "reporter", model, tools: [], systemPrompt: "You are reporter of chief." });
const desk = createAgent({
  name: "desk",
  model,
  tools: [ask("ask_reporter", reporter)],
  systemPrompt: "You are desk of chief.",
});
const chief = createAgent({
  name: "chief",
  model,
  tools: [ask("ask_desk", desk)],
  systemPrompt: "You are chief of chief.",
});

// Of a graph's own nodes the name of the node is known; an agent inside of it has its own.
const inside = createAgent({ name: "inside", model, tools: [look("look")], systemPrompt: "You are inside of inside." });
const graph = new StateGraph(MessagesAnnotation)
  .addNode("plan", async ({ messages }) => ({
    messages: [await model.invoke([{ role: "system", content: "You are plan of plan." }, ...messages])],
  }))
  .addNode("act", inside.graph)
  .addEdge(START, "plan")
  .addEdge("plan", "act")
  .addEdge("act", END)
  .compile();

// Who takes over in a graph is a node like any other: nothing says who handed over.
const handOver = tool(
  async () => new Command({ goto: "billing", graph: Command.PARENT, update: { messages: go.messages } }),
  { name: "to_billing", description: "Hands over", schema },
);
const triage = createAgent({ name: "triage", model, tools: [handOver], systemPrompt: "You are triage of triage." });
const billing = createAgent({
  name: "billing",
  model,
  tools: [look("find")],
  systemPrompt: "You are billing of billing.",
});
const desks = new StateGraph(MessagesAnnotation)
  .addNode("triage", triage.graph, { ends: ["billing"] })
  .addNode("billing", billing.graph)
  .addEdge(START, "triage")
  .addEdge("billing", END)
  .compile();

async function stream(agent) {
  const chunks = await agent.stream(go, { streamMode: "messages" });
  await new Promise((resolve, reject) => {
    // Read in another place than where it was begun.
    setTimeout(async () => {
      try {
        for await (const _ of chunks) {
        }
        resolve();
      } catch (error) {
        reject(error);
      }
    }, 5);
  });
}

await solo.invoke(go);
await editor.invoke(go);
await chief.invoke(go);
await graph.invoke(go);
await desks.invoke(go);
await stream(editor);
await stream(chief);
await stream(desks);
await Promise.all([
  editor.invoke(go),
  chief.invoke(go),
  stream(editor),
  stream(graph),
  desks.invoke(go),
  solo.invoke(go),
  stream(solo),
]);
