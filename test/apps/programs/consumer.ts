// A TypeScript consumer; compiled, never run.
import type { ConfigFile, Ending, SettledCall, Usage } from "spendfuse";
import { bind, flush, instrumentation, onCall, scope, start, stop, wrapFetch } from "spendfuse";
import "spendfuse/register";

const config: ConfigFile = { agent: "a", hosts: [{ host: "llm.example.com", like: "api.openai.com" }] };
const off: () => void = onCall((call: SettledCall) => {
  const ending: Ending = call.ending;
  const usage: Usage | undefined = call.usage;
  return `${call.scope.agent} ${ending} ${usage?.input} ${call.costUsd?.toFixed(6)}`;
});

export async function consume(): Promise<number> {
  await start({ config, telemetry: false });
  const answer: number = await scope({ agent: "a", run: "1" }, async () => 42);
  const length: number = bind((text: string) => text.length)("four");
  const client = { fetch: wrapFetch(fetch), instrumentations: [instrumentation] };
  // @ts-expect-error: scopes have no such field
  scope({ agnet: "a" }, () => client);
  off();
  await flush();
  await stop();
  return answer + length;
}
