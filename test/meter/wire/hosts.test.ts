import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { createHostLookup, HOSTS } from "../../../src/meter/wire/hosts.ts";
import { createRuntime } from "../../../src/process/runtime.ts";

const example = (host: string): string => host.replaceAll("*", "eu-west-1");

describe("the table of hosts", () => {
  test.each(HOSTS.map((row) => [row.host, row] as const))("%s", async (host, row) => {
    const lookup = createHostLookup();
    for (const written of [example(host), `${example(host)}:8443`]) expect(lookup(written)).toBe(row);
    const runtime = createRuntime(() => {});
    const calls: SettledCall[] = [];
    runtime.listeners.add((call) => calls.push(call));
    const inner = async () => Response.json({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 7 } });
    await (
      await runtime.wrapFetch(inner as typeof fetch)(`https://${example(host).toUpperCase()}/v1/chat/completions`, {
        method: "POST",
        body: JSON.stringify({ model: "m", messages: [] }),
      })
    ).json();
    await runtime.flush();
    expect(calls).toMatchObject([{ provider: row.provider, usage: { input: 5, output: 7 } }]);
  });

  test.each([
    ["/v1/chat/completions", { messages: [] }, "openai"],
    ["/v1/messages", { messages: [], max_tokens: 9 }, "anthropic"],
    ["/v1beta/models/m:generateContent", { contents: [] }, "gcp.gemini"],
  ])("a gateway that is like OpenAI's speaks other vendors' formats as theirs: %s", async (path, body, provider) => {
    const runtime = createRuntime(() => {});
    const config = { hosts: [{ host: "llm.example.com", like: "api.openai.com" }] };
    await runtime.start({ telemetry: false, env: {}, config });
    const calls: SettledCall[] = [];
    runtime.listeners.add((call) => calls.push(call));
    const fetch = runtime.wrapFetch(async () => Response.json({}));
    await (await fetch(`https://llm.example.com${path}`, { method: "POST", body: JSON.stringify(body) })).json();
    await runtime.flush();
    expect(calls).toMatchObject([{ provider }]);
    await runtime.stop();
  });

  test("no host is named twice", () => {
    expect(new Set(HOSTS.map(({ host }) => host)).size).toBe(HOSTS.length);
  });

  test.each([
    "api.openai.com.evil.example",
    "evilapi.openai.com",
    "openai.com",
    "myopenai.azure.com",
    "apixopenai.com",
    "bedrock-runtime.amazonaws.com",
    "localhost:11434",
  ])("%s is none of them", (host) => {
    expect(createHostLookup()(host)).toBeUndefined();
  });

  test("the user's own rows come first, exact ones before patterns, with a port before without", () => {
    const own = [
      { host: "api.openai.com", provider: "mine" },
      { host: "*.example", provider: "any" },
      { host: "a.example", provider: "exact" },
      { host: "a.example:81", provider: "port" },
    ];
    const lookup = createHostLookup(own);
    const asked = ["api.openai.com", "b.example", "a.example", "a.example:80", "a.example:81", "b.example:81"];
    expect(asked.map((host) => lookup(host)?.provider)).toEqual(["mine", "any", "exact", "exact", "port", "any"]);
    for (let n = 0; n < 3_000; n += 1) lookup(`h${n}.test`);
    expect(lookup("b.example")?.provider).toBe("any");
  });
});
