import { createHostLookup } from "../../meter/wire/hosts.ts";
import { placeOf } from "../facts/sources.ts";
import { type Facts, isUsed } from "../facts.ts";
import { note, ok } from "../finding.ts";
import { VENDORS } from "../tables/vendors.ts";
import type { Check } from "./check.ts";

/** Whose streams have to be asked. */
const ASKED = "api.openai.com";

/** An address that calls go to, and the host whose rules it most likely follows. */
interface Address {
  readonly subject: string;
  readonly url: string;
  readonly like: string;
}

/** Addresses other than the vendors' own are known, so that provider and price are right. */
export const vendorHosts: Check = {
  name: "vendor-hosts",
  group: "sdks",
  *check(facts) {
    const own = (facts.configuration.config.hosts ?? []).map(({ host }) => ({ host, provider: "own" }));
    const lookup = createHostLookup(own);
    for (const { subject, url, like } of addressesOf(facts)) {
      const host = URL.parse(url)?.host;
      if (host === undefined || host === "") continue;
      // Other formats tell their vendor, and report usage unasked.
      if (like !== ASKED) yield ok("host-known", subject, `${host} is metered by its paths`);
      else if (lookup(host) !== undefined) yield ok("host-known", subject, `${host} is known`);
      else
        yield note(
          "host-unknown",
          subject,
          `${host} is no host we know: its calls are metered by their path; it is not asked for the usage of streams, which are estimated where it does not report it by itself`,
          `"hosts": [{ "host": "${host}", "like": "${like}" }]`,
        );
    }
  },
};

function addressesOf(facts: Facts): readonly Address[] {
  const set = VENDORS.flatMap(({ url, origin }) => {
    const value = facts.env[url]?.trim();
    return value ? [{ subject: url, url: value, like: new URL(origin).host }] : [];
  });
  const anthropic = !isUsed(facts, "openai") && isUsed(facts, "@anthropic-ai/sdk");
  const written = facts.sources.files.flatMap((file) =>
    file.literals
      .filter(({ text, at }) => /^https?:\/\//.test(text) && /\bbase_?url\s*:\s*$/i.test(file.code.slice(0, at)))
      .map(({ text, at }) => ({
        subject: placeOf(file, at),
        url: text,
        like: anthropic ? "api.anthropic.com" : "api.openai.com",
      })),
  );
  return [...set, ...written];
}
