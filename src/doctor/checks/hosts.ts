import { createHostLookup } from "../../meter/wire/hosts.ts";
import { isLocalHost } from "../../meter/wire/local-host.ts";
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
    const { hosts: rows = [], localServers } = facts.configuration.config;
    const own = rows.map(({ host }) => ({ host, provider: "own" }));
    const lookup = createHostLookup(own);
    for (const { subject, url } of addressesOf(facts)) {
      const parsed = URL.parse(url);
      if (!parsed?.host) continue;
      const { host, hostname } = parsed;
      if (lookup(host) !== undefined) yield ok("host-known", subject, `${host} is known`);
      else if (isLocalHost(hostname) && localServers === "free") yield ok("host-known", subject, `${host} is free`);
      else if (isLocalHost(hostname))
        yield note(
          "host-local",
          subject,
          `${host} is a local server, which has no cloud's price: the cost of its calls is unknown. A gateway may need a row of "hosts"`,
          '"localServers": "free"',
        );
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
