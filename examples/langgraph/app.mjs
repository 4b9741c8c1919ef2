import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ChatOpenAI } from "@langchain/openai";

const model = new ChatOpenAI({ model: "gpt-5-mini" });
const answer = async ({ messages }) => ({ messages: [await model.invoke(messages)] });

const graph = new StateGraph(MessagesAnnotation)
  .addNode("draft", answer)
  .addNode("edit", answer)
  .addEdge(START, "draft")
  .addEdge("draft", "edit")
  .addEdge("edit", END)
  .compile();

await graph.invoke({ messages: [{ role: "user", content: "Write a line about water." }] });
