import { type Facts, isUsed, settingOf } from "../facts.ts";
import { fault, note, ok, type Remark } from "../finding.ts";
import type { Answer } from "../question.ts";
import { shownUrl } from "../secrets.ts";
import { VENDORS, type Vendor } from "../tables/vendors.ts";
import type { Check } from "./check.ts";

/** The vendors take the keys that are set, and a key is set where an SDK needs one. */
export const vendorKeys: Check = {
  name: "vendor-keys",
  group: "keys",
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
  yield note(
    "vendor-key-absent",
    variable,
    `is not set here, and ${user} is used: its calls fail, unless the key comes from elsewhere`,
    `${variable}=…`,
  );
}

function verdict({ name, rejects, url }: Vendor, subject: string, where: string, answer: Answer | undefined): Remark {
  if (answer === undefined) return ok("vendor-key", subject, "set, not asked");
  if ("failure" in answer)
    return note(
      "vendor-unreachable",
      subject,
      `${where} cannot be reached: ${answer.failure}`,
      `curl -i ${where}  # or another address in ${url}`,
    );
  const { status, text } = answer;
  // A key that may do little is a key all the same.
  if (status === 403 && /missing scopes|insufficient permissions/i.test(text))
    return ok("vendor-key", subject, `${name} takes it; it may not list models`);
  if (rejects.includes(status))
    return fault(
      "vendor-key-rejected",
      subject,
      `${where} answers ${status}: ${name} does not take this key`,
      `${subject}=…`,
    );
  if (status >= 200 && status < 300) return ok("vendor-key", subject, `${where} takes it`);
  return ok("vendor-key", subject, `${where} answers ${status}: it is there, the key is not judged`);
}
