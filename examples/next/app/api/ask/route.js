import { openai } from "@ai-sdk/openai";
import { streamText } from "ai";
import { scope } from "spendfuse";

export async function GET(request) {
  const prompt = new URL(request.url).searchParams.get("q") ?? "Name a river.";
  // The call is made inside the scope; its stream may be read after it.
  return scope({ agent: "helpdesk", team: "support" }, async () =>
    streamText({ model: openai("gpt-5-mini"), prompt, abortSignal: request.signal }).toTextStreamResponse(),
  );
}
