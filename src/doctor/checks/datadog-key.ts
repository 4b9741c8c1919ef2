import { isSpendfuseError } from "../../core/errors.ts";
import { apiOrigin } from "../../datadog/client.ts";
import type { Env } from "../facts.ts";
import { fault, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

const ASKED = "datadog-key";
const PATH = "/api/v1/validate";

/** The key is valid at the site: Datadog answers 200, otherwise 403. */
export const datadogKey: Check = {
  name: "datadog-key",
  group: "keys",
  asks({ env }) {
    const key = env.DD_API_KEY?.trim();
    const origin = originOf(env);
    if (!key || origin === undefined) return [];
    return [{ id: ASKED, kind: "http", url: origin + PATH, headers: { "dd-api-key": key } }];
  },
  *check({ env }, answers) {
    if (!env.DD_API_KEY?.trim()) return;
    const subject = "DD_API_KEY";
    const origin = originOf(env);
    const answer = answers.get(ASKED);
    if (origin === undefined) {
      const says = "is not a site such as datadoghq.com or us5.datadoghq.com: nothing is sent";
      yield fault("datadog-site-wrong", "DD_SITE", says, "DD_SITE=datadoghq.com");
    } else if (answer === undefined) yield ok("datadog-key", subject, "set, not asked");
    else if ("status" in answer && answer.status === 200) yield ok("datadog-key", subject, `valid at ${origin}`);
    else if ("status" in answer && (answer.status === 401 || answer.status === 403)) {
      const says = `${origin} answers ${answer.status}: the key is invalid, or belongs to an account at another site`;
      const site = env.DD_SITE?.trim() || "datadoghq.com";
      const fix = `DD_API_KEY=…  # a key of ${site}: Organization Settings, API Keys`;
      yield fault("datadog-key-rejected", subject, says, fix);
    } else {
      const why = "failure" in answer ? `cannot be reached: ${answer.failure}` : `answers ${answer.status}`;
      yield note(
        "datadog-unreachable",
        subject,
        `${origin} ${why}: the key is not checked`,
        `curl -i ${origin}${PATH}`,
      );
    }
  },
};

function originOf(env: Env): string | undefined {
  try {
    return apiOrigin(env);
  } catch (error) {
    if (isSpendfuseError(error)) return undefined;
    throw error;
  }
}
