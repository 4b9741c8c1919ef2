// Agents of Vercel's AI SDK 7. Nothing here knows that it is metered.
import { openai } from "@ai-sdk/openai";
import { generateText, isStepCount, streamText, ToolLoopAgent, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false;
const model = openai("gpt-5");
const inputSchema = z.object({ q: z.string() });
const prompt = "Go";
const look = tool({ description: "Looks it up", inputSchema, execute: async () => "42" });
const ask = (execute) => tool({ description: "Asks a colleague", inputSchema, execute });
const agent = (functionId, instructions, tools = {}) => ({
  model,
  instructions,
  tools,
  stopWhen: isStepCount(9),
  telemetry: { functionId },
});

const solo = agent("solo", "You are solo of solo.", { look });
const writer = agent("Writer", "You are writer of editor.", { read: look });
const checker = agent("checker", "You are checker of editor.");
const run = (settings) => async () => (await generateText({ ...settings, prompt })).text;
const editor = agent("editor", "You are editor of editor. All at once.", {
  ask_writer: ask(run(writer)),
  ask_checker: ask(run(checker)),
});
const desk = agent("desk", "You are desk of chief.", {
  ask_reporter: ask(run(agent("reporter", "You are reporter of chief."))),
});
const chief = new ToolLoopAgent(agent("chief", "You are chief of chief.", { ask_desk: ask(run(desk)) }));

async function read(result) {
  await new Promise((resolve, reject) => {
    // Read in another place than where it was begun.
    setTimeout(async () => {
      try {
        for await (const _ of result.textStream) {
        }
        resolve();
      } catch (error) {
        reject(error);
      }
    }, 5);
  });
}
const stream = (settings) => read(streamText({ ...settings, prompt }));

await run(solo)();
await run(editor)();
await chief.generate({ prompt });
await stream(editor);
await read(await chief.stream({ prompt }));
await Promise.all([run(editor)(), chief.generate({ prompt }), stream(editor), stream(solo), run(solo)()]);
