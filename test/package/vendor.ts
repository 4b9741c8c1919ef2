import * as wire from "../servers/formats.ts";
import { startModelServer } from "../servers/model-server.ts";

/** wire.Tokens of the wire.whole answer and of the wire.streamed one, whichever wire format they are asked for in. */
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
    if (path.includes(":generateContent")) return wire.whole(gemini(WHOLE));
    if (path.includes(":streamGenerateContent")) return wire.streamed(wire.data(gemini(STREAMED)));
    if (!path.endsWith("/v1/chat/completions")) return { status: 404, steps: ["{}"] };
    const { model, stream } = JSON.parse(body) as { readonly model: string; readonly stream?: boolean };
    const origin = { id: "chat-1", model };
    if (!stream) return wire.whole(wire.chatCompletion(origin, { content: "Hello" }, wire.chatUsage(WHOLE)));
    const last = { usage: wire.chatUsage(STREAMED) };
    return wire.streamed(
      wire.chatDelta(origin, { role: "assistant", content: "Hel" }),
      wire.chatDelta(origin, { content: "lo" }, last, "stop"),
      wire.DONE,
    );
  });
  return server;
}

const gemini = (tokens: wire.Tokens): object =>
  wire.geminiAnswer(
    { id: "gemini-1", model: "gemini-2.5-flash" },
    [{ text: "Hello" }],
    wire.geminiUsage(tokens),
    "STOP",
  );
