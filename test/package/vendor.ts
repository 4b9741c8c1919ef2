import { type Script, startModelServer } from "../servers/model-server.ts";

/** Tokens of the whole answer and of the streamed one, whichever wire format they are asked for in. */
const WHOLE = { input: 10, output: 5 };
const STREAMED = { input: 11, output: 7 };

/** What a program that asks once for each has spent. */
export const SPENT = {
  calls: 2,
  input: WHOLE.input + STREAMED.input,
  output: WHOLE.output + STREAMED.output,
};

/** A model server that speaks OpenAI's and Mistral's chat completions, and Google's generateContent. */
export async function startVendor() {
  const server = await startModelServer();
  server.play(({ path, body }) => {
    if (path.includes(":generateContent")) return json(gemini(WHOLE));
    if (path.includes(":streamGenerateContent")) return events([gemini(STREAMED)]);
    if (!path.endsWith("/v1/chat/completions")) return { status: 404, steps: ["{}"] };
    const { model, stream } = JSON.parse(body) as { readonly model: string; readonly stream?: boolean };
    if (!stream) {
      const choice = { index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" };
      return json({ ...chat(model, "chat.completion", choice), usage: chatUsage(WHOLE) });
    }
    const delta = (content: string, finish_reason: string | null) =>
      chat(model, "chat.completion.chunk", { index: 0, delta: { role: "assistant", content }, finish_reason });
    return events([delta("Hel", null), { ...delta("lo", "stop"), usage: chatUsage(STREAMED) }], "[DONE]");
  });
  return server;
}

function json(body: object): Script {
  return { headers: { "content-type": "application/json" }, steps: [JSON.stringify(body)] };
}

function events(frames: readonly object[], last?: string): Script {
  const texts = [...frames.map((frame) => JSON.stringify(frame)), ...(last === undefined ? [] : [last])];
  return { headers: { "content-type": "text/event-stream" }, steps: texts.map((text) => `data: ${text}\n\n`) };
}

function chat(model: string, object: string, choice: object): object {
  return { id: "chat-1", object, created: 1, model, choices: [choice] };
}

function chatUsage({ input, output }: typeof WHOLE): object {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}

function gemini({ input, output }: typeof WHOLE): object {
  return {
    responseId: "gemini-1",
    modelVersion: "gemini-2.5-flash",
    candidates: [{ index: 0, content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: input, candidatesTokenCount: output, totalTokenCount: input + output },
  };
}
