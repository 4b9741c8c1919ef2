import { Agent, run } from "@openai/agents";

// setOpenAIResponsesTransport("websocket") would be blind.
const researcher = new Agent({ name: "researcher", instructions: "Find what was asked for." });
const result = await run(researcher, process.argv[2] ?? "What is a fuse?");
console.log(result.finalOutput);
