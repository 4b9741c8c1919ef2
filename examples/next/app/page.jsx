import { openai } from "@ai-sdk/openai";
import { generateText } from "ai";
import { scope } from "spendfuse";

// Asked at each request, not once at the build.
export const dynamic = "force-dynamic";

export default async function Page() {
  const { text } = await scope({ agent: "front-page" }, () =>
    generateText({ model: openai("gpt-5-mini"), prompt: "Name a river." }),
  );
  return <main>{text}</main>;
}
