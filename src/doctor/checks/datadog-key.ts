import { isSpendfuseError } from "../../core/errors.ts";
import { apiOrigin } from "../../datadog/client.ts";
import type { Facts } from "../facts.ts";
import { fault, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

const ASKED = "datadog-key";

/** Datadog's own question: 200 for a key that is valid at this site, 403 for others. */
export const datadogKey: Check = {
  name: "datadog-key",
  group: "keys",
  asks({ env }) {
    const key = env.DD_API_KEY?.trim();
    const origin = originOf(env);
    if (!key || origin === undefined) return [];
    return [{ id: ASKED, kind: "http", url: `${origin}/api/v1/validate`, headers: { "dd-api-key": key } }];
  },
  *check({ env }, answers) {
    if (!env.DD_API_KEY?.trim()) return;
    const subject = "DD_API_KEY";
    const origin = originOf(env);
    const answer = answers.get(ASKED);
    if (origin === undefined)
      yield fault(
        "datadog-site-wrong",
        "DD_SITE",
        "is not a site such as datadoghq.com or us5.datadoghq.com: nothing is sent",
        "DD_SITE=datadoghq.com",
      );
    else if (answer === undefined) yield ok("datadog-key", subject, "set, not asked");
    else if ("failure" in answer)
      yield note(
        "datadog-unreachable",
        subject,
        `${origin} cannot be reached: ${answer.failure}`,
        `curl -i ${origin}/api/v1/validate`,
      );
    else if (answer.status === 401 || answer.status === 403)
      yield fault(
        "datadog-key-rejected",
        subject,
        `${origin} answers ${answer.status}: the key is not valid, or of an account at another site`,
        `DD_API_KEY=…  # a key of ${env.DD_SITE?.trim() || "datadoghq.com"}: Organization Settings, API Keys`,
      );
    else if (answer.status === 200) yield ok("datadog-key", subject, `valid at ${origin}`);
    else
      yield note(
        "datadog-unreachable",
        subject,
        `${origin} answers ${answer.status}: whether the key is valid is not known`,
        `curl -i ${origin}/api/v1/validate`,
      );
  },
};

function originOf(env: Facts["env"]): string | undefined {
  try {
    return apiOrigin(env);
  } catch (error) {
    if (isSpendfuseError(error)) return undefined;
    throw error;
  }
}
