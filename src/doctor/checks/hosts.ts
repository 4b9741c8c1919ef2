import { createHostLookup } from "../../meter/wire/hosts.ts";
import { placeOf } from "../facts/sources.ts";
import type { Facts } from "../facts.ts";
import { note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

const VARIABLE = "OPENAI_BASE_URL";

/** Addresses for OpenAI's SDK are known hosts. Other formats name their vendor, and report usage unasked. */
export const hosts: Check = {
  name: "hosts",
  group: "sdks",
  *check(facts) {
    const own = (facts.configuration.config.hosts ?? []).map(({ host }) => ({ host, provider: "own" }));
    const lookup = createHostLookup(own);
    for (const { subject, url } of addressesOf(facts)) {
      const host = URL.parse(url)?.host;
      if (!host) continue;
      if (lookup(host) !== undefined) yield ok("host-known", subject, `${host} is known`);
      else
        yield note(
          "host-unknown",
          subject,
          `${host} is unknown: calls are metered by their path, streams estimated unless it reports usage unasked, or its answers show that it is LiteLLM`,
          `"hosts": [{ "host": "${host}", "like": "api.openai.com" }]`,
        );
    }
  },
};

function addressesOf({ env, sources }: Facts): readonly { readonly subject: string; readonly url: string }[] {
  const set = env[VARIABLE]?.trim();
  const written = sources.files
    .filter(({ imports }) =>
      imports.some(({ name }) => /^(?:openai|@openai\/agents|@(?:ai-sdk|langchain)\/openai)\b/.test(name)),
    )
    .flatMap((file) =>
      file.literals
        .filter(({ text, at }) => /^https?:\/\//.test(text) && /\bbase_?url\s*:\s*$/i.test(file.code.slice(0, at)))
        .map(({ text, at }) => ({ subject: placeOf(file, at), url: text })),
    );
  return set ? [{ subject: VARIABLE, url: set }, ...written] : written;
}
