import { exampleStore } from "../../stores/addresses.ts";
import { shownUrl } from "../secrets.ts";
import type { Check } from "./check.ts";

const ASKED = "breaker";

/** The breaker that is listened to is there, and its store is. */
export const breaker: Check = {
  name: "breaker",
  group: "guard",
  asks({ configuration }) {
    const url = configuration.config.breaker?.url;
    return url === undefined ? [] : [{ id: ASKED, kind: "http", url: `${url.replace(/\/+$/, "")}/healthz` }];
  },
  *check({ configuration }, answers) {
    const url = configuration.config.breaker?.url;
    if (url === undefined) return;
    const subject = `breaker ${shownUrl(url).replace(/\/$/, "")}`;
    const answer = answers.get(ASKED);
    if (answer === undefined) yield { id: "breaker", level: "ok", subject, says: "not asked" };
    else if ("failure" in answer)
      yield {
        id: "breaker-unreachable",
        level: "fault",
        subject,
        says: `cannot be reached: ${answer.failure}; no alert stops this app`,
        fix: "npx spendfuse breaker",
      };
    else if (answer.status === 200) yield { id: "breaker", level: "ok", subject, says: "answers" };
    else
      yield {
        id: "breaker-unwell",
        level: "fault",
        subject,
        says:
          answer.status === 503
            ? "is there, and its store is away: it takes no alert"
            : `answers ${answer.status} at /healthz: this is no breaker of spendfuse`,
        fix:
          answer.status === 503
            ? `npx spendfuse breaker --store ${exampleStore("fleet")}`
            : "SPENDFUSE_BREAKER_URL=http://127.0.0.1:4319",
      };
  },
};
