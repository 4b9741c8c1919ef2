// Agents of Mastra, with its bridge to OpenTelemetry. Nothing here knows that it is metered.
import { createOpenAI } from "@ai-sdk/openai";
import { Mastra } from "@mastra/core";
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { Observability } from "@mastra/observability";
import { OtelBridge } from "@mastra/otel-bridge";
import { z } from "zod";

const model = createOpenAI()("gpt-5");
const inputSchema = z.object({ q: z.string() });
const tool = (id, execute) => createTool({ id, description: "Looks it up", inputSchema, execute });
const look = (id) => tool(id, async () => ({ found: "42" }));
const ask = (id, agent) =>
  tool(id, async (_, context) => ({ said: (await mastra.getAgent(agent).generate("Go", traced(context))).text }));
/** A tool hands its tracing on to the agent that it asks. */
const traced = (context) => ({ tracingContext: context?.tracingContext ?? context?.observability });
const agent = (name, instructions, tools = {}) => new Agent({ id: name, name, instructions, model, tools });

const agents = {
  solo: agent("solo", "You are solo of solo.", { look: look("look") }),
  writer: agent("Writer", "You are writer of editor.", { read: look("read") }),
  checker: agent("checker", "You are checker of editor."),
  editor: agent("editor", "You are editor of editor. All at once.", {
    ask_writer: ask("ask_writer", "writer"),
    ask_checker: ask("ask_checker", "checker"),
  }),
  reporter: agent("reporter", "You are reporter of chief."),
  desk: agent("desk", "You are desk of chief.", { ask_reporter: ask("ask_reporter", "reporter") }),
  chief: agent("chief", "You are chief of chief.", { ask_desk: ask("ask_desk", "desk") }),
};
const mastra = new Mastra({
  agents,
  logger: false,
  observability: new Observability({ configs: { default: { serviceName: "app", bridge: new OtelBridge() } } }),
});

const run = (name) => mastra.getAgent(name).generate("Go");

async function stream(name) {
  const { textStream } = await mastra.getAgent(name).stream("Go");
  await new Promise((resolve, reject) => {
    // Read in another place than where it was begun.
    setTimeout(async () => {
      try {
        for await (const _ of textStream) {
        }
        resolve();
      } catch (error) {
        reject(error);
      }
    }, 5);
  });
}

await run("solo");
await run("editor");
await run("chief");
await stream("editor");
await stream("chief");
await Promise.all([run("editor"), run("chief"), stream("editor"), stream("solo"), run("solo")]);
