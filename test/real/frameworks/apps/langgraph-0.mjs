// Graphs of LangGraph 0.4 on LangChain 0.3, whose agents are nodes. Nothing here knows that it is metered.
import { RunnableLambda } from "@langchain/core/runnables";
import { tool } from "@langchain/core/tools";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

const model = new ChatOpenAI({ model: "gpt-5" });
const schema = z.object({ q: z.string() });
const go = { messages: [{ role: "user", content: "Go" }] };
const look = tool(async () => "42", { name: "look", description: "Looks it up", schema });

const speak =
  (name) =>
  async ({ messages }) => ({
    messages: [await model.invoke([{ role: "system", content: `You are ${name} of ${name}.` }, ...messages])],
  });
const withTools = model.bindTools([look]);
const solo = new StateGraph(MessagesAnnotation)
  .addNode("solo", async ({ messages }) => ({
    messages: [await withTools.invoke([{ role: "system", content: "You are solo of solo." }, ...messages])],
  }))
  .addNode("tools", new ToolNode([look]))
  .addEdge(START, "solo")
  .addConditionalEdges("solo", toolsCondition, ["tools", END])
  .addEdge("tools", "solo")
  .compile();

const inner = new StateGraph(MessagesAnnotation)
  .addNode("write", speak("write"))
  .addNode("check", speak("check"))
  .addEdge(START, "write")
  .addEdge(START, "check")
  .addEdge("write", END)
  .addEdge("check", END)
  .compile();
const outer = new StateGraph(MessagesAnnotation)
  .addNode("plan", speak("plan"))
  .addNode("work", inner)
  .addEdge(START, "plan")
  .addEdge("plan", "work")
  .addEdge("work", END)
  .compile();
// Outside of a graph the metadata of a run can say it.
const lambda = RunnableLambda.from(() => model.invoke([{ role: "system", content: "You are lambda of lambda." }]));

async function stream(graph) {
  const chunks = await graph.stream(go, { streamMode: "messages" });
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
await outer.invoke(go);
await lambda.invoke({}, { metadata: { agent: "lambda" } });
await stream(solo);
await stream(outer);
await Promise.all([solo.invoke(go), outer.invoke(go), stream(solo), stream(outer)]);
