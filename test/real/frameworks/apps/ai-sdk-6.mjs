// Agents of Vercel's AI SDK 6, which names them in the spans of OpenTelemetry alone. Nothing here knows of a meter.
import { openai } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false;
const model = openai("gpt-5");
const inputSchema = z.object({ q: z.string() });
const prompt = "Go";
const look = tool({ description: "Looks it up", inputSchema, execute: async () => "42" });
const ask = (execute) => tool({ description: "Asks a colleague", inputSchema, execute });
const agent = (functionId, system, tools = {}) => ({
  model,
  system,
  tools,
  stopWhen: stepCountIs(9),
  experimental_telemetry: { isEnabled: true, functionId },
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
const chief = agent("chief", "You are chief of chief.", { ask_desk: ask(run(desk)) });

async function stream(settings) {
  const result = streamText({ ...settings, prompt });
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

await run(solo)();
await run(editor)();
await run(chief)();
await stream(editor);
await Promise.all([run(editor)(), run(chief)(), stream(editor), stream(chief), stream(solo), run(solo)()]);
