import { type Facts, isUsed, settingOf } from "../facts.ts";
import type { Remark } from "../finding.ts";
import type { Answer } from "../question.ts";
import { shownUrl } from "../secrets.ts";
import { VENDORS, type Vendor } from "../tables/vendors.ts";
import type { Check } from "./check.ts";

export const vendorKeys: Check = {
  name: "vendor-keys",
  group: "keys",
  says: "the vendors take the keys that are set, and a key is set where an SDK needs one",
  asks: (facts) =>
    VENDORS.flatMap((vendor) => {
      const found = keyOf(vendor, facts);
      const url = urlOf(vendor, facts);
      if (found === undefined || !/^https?:$/.test(URL.parse(url)?.protocol ?? "")) return [];
      return [{ id: found.variable, kind: "http", url, headers: vendor.headers(found.key) }];
    }),
  *check(facts, answers) {
    for (const vendor of VENDORS) {
      const found = keyOf(vendor, facts);
      if (found === undefined) yield* absent(vendor, facts);
      else yield verdict(vendor, found.variable, shownUrl(urlOf(vendor, facts)), answers.get(found.variable));
    }
  },
};

function keyOf({ keys }: Vendor, { env }: Facts): { readonly variable: string; readonly key: string } | undefined {
  for (const variable of keys) {
    const key = env[variable]?.trim();
    if (key) return { variable, key };
  }
  return undefined;
}

function urlOf({ url, origin, path }: Vendor, { env }: Facts): string {
  return `${(env[url]?.trim() || origin).replace(/\/+$/, "")}${path}`;
}

function* absent({ keys, instead, packages }: Vendor, facts: Facts): Iterable<Remark> {
  const user = packages.find((name) => isUsed(facts, name));
  if (user === undefined || [...keys, ...instead].some((name) => settingOf(facts, name) !== undefined)) return;
  const [variable = ""] = keys;
  yield {
    id: "vendor-key-absent",
    level: "note",
    subject: variable,
    says: `is not set here, and ${user} is used: its calls fail, unless the key comes from elsewhere`,
    fix: `${variable}=…`,
  };
}

function verdict({ name, rejects, url }: Vendor, subject: string, where: string, answer: Answer | undefined): Remark {
  if (answer === undefined) return { id: "vendor-key", level: "ok", subject, says: "set, not asked" };
  if ("failure" in answer)
    return {
      id: "vendor-unreachable",
      level: "note",
      subject,
      says: `${where} cannot be reached: ${answer.failure}`,
      fix: `curl -i ${where}  # or another address in ${url}`,
    };
  const { status, text } = answer;
  // A key that may do little is a key all the same.
  if (status === 403 && /missing scopes|insufficient permissions/i.test(text))
    return { id: "vendor-key", level: "ok", subject, says: `${name} takes it; it may not list models` };
  if (rejects.includes(status))
    return {
      id: "vendor-key-rejected",
      level: "fault",
      subject,
      says: `${where} answers ${status}: ${name} does not take this key`,
      fix: `${subject}=…`,
    };
  if (status >= 200 && status < 300) return { id: "vendor-key", level: "ok", subject, says: `${where} takes it` };
  return {
    id: "vendor-key",
    level: "ok",
    subject,
    says: `${where} answers ${status}: it is there, the key is not judged`,
  };
}
