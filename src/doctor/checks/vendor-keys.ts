import type { Env } from "../facts.ts";
import { fault, note, ok, type Remark } from "../finding.ts";
import type { Answer } from "../question.ts";
import { shownUrl } from "../secrets.ts";
import { VENDOR_KEYS, type VendorKey } from "../tables/vendor-keys.ts";
import type { Check } from "./check.ts";

/** The vendors accept the keys that are set. */
export const vendorKeys: Check = {
  name: "vendor-keys",
  group: "keys",
  asks: ({ env }) =>
    VENDOR_KEYS.flatMap((row) => {
      const variable = variableOf(row, env);
      const url = urlOf(row, env);
      if (variable === undefined || !/^https?:$/.test(URL.parse(url)?.protocol ?? "")) return [];
      return [{ id: variable, kind: "http", url, headers: row.headers(env[variable]?.trim() ?? "") }];
    }),
  *check({ env }, answers) {
    for (const row of VENDOR_KEYS) {
      const variable = variableOf(row, env);
      if (variable !== undefined) yield verdict(row, variable, shownUrl(urlOf(row, env)), answers.get(variable));
    }
  },
};

function variableOf({ keys }: VendorKey, env: Env): string | undefined {
  return keys.find((name) => env[name]?.trim());
}

function urlOf({ urlVariable, url, path }: VendorKey, env: Env): string {
  return `${(env[urlVariable]?.trim() || url).replace(/\/+$/, "")}${path}`;
}

function verdict(row: VendorKey, subject: string, where: string, answer: Answer | undefined): Remark {
  if (answer === undefined) return ok("vendor-key", subject, "set, not asked");
  if ("failure" in answer) {
    const fix = `curl -i ${where}  # or another address in ${row.urlVariable}`;
    return note("vendor-unreachable", subject, `${where} cannot be reached: ${answer.failure}`, fix);
  }
  const { status, text } = answer;
  // A key with few permissions is valid all the same.
  if (status === 403 && /missing scopes|insufficient permissions/i.test(text))
    return ok("vendor-key", subject, `${row.vendor} accepts it; it may not list models`);
  if (row.rejects.includes(status)) {
    const says = `${where} answers ${status}: ${row.vendor} rejects this key`;
    return fault("vendor-key-rejected", subject, says, `${subject}=…`);
  }
  if (status >= 200 && status < 300) return ok("vendor-key", subject, `${where} accepts it`);
  return ok("vendor-key", subject, `${where} answers ${status}: the key is not checked`);
}
