import { exampleStore } from "../../stores/addresses.ts";
import { fault, ok } from "../finding.ts";
import { shownUrl } from "../secrets.ts";
import type { Check } from "./check.ts";

const ASKED = "breaker";

/** The configured breaker answers, and reaches its store. */
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
    if (answer === undefined) yield ok("breaker", subject, "not asked");
    else if ("failure" in answer) {
      const says = `cannot be reached: ${answer.failure}; no alert stops this app`;
      yield fault("breaker-unreachable", subject, says, "npx spendfuse breaker");
    } else if (answer.status === 200) yield ok("breaker", subject, "answers");
    else if (answer.status === 503) {
      const fix = `npx spendfuse breaker --store ${exampleStore("fleet")}`;
      yield fault("breaker-unwell", subject, "cannot reach its store, so that it accepts no alert", fix);
    } else {
      const says = `answers ${answer.status} at /healthz: not a spendfuse breaker`;
      yield fault("breaker-unwell", subject, says, "SPENDFUSE_BREAKER_URL=http://127.0.0.1:4319");
    }
  },
};
