import { isBelow, readVersion } from "../facts/version.ts";
import type { Facts } from "../facts.ts";
import type { Check } from "./check.ts";

/** As `engines` of our own package has it. */
const FLOOR = "22.15.0";

/** The Node that looks, and those that the app's files ask for. */
export const nodeVersion: Check = {
  name: "node-version",
  group: "app",
  says: `Node is ${FLOOR} or newer, here and where the app is deployed`,
  *check({ node, deployment, manifest }: Facts) {
    if (isBelow(node, FLOOR))
      yield {
        id: "node-too-old",
        level: "fault",
        subject: `Node ${node}`,
        says: `spendfuse needs Node ${FLOOR} or newer`,
        fix: "nvm install 24",
      };
    else yield { id: "node-version", level: "ok", subject: `Node ${node}`, says: "new enough" };
    for (const { version, where } of deployment.nodes) {
      // `22` alone is its newest.
      if (version.includes(".") ? !isBelow(version, FLOOR) : !isBelow(version, "22")) continue;
      yield {
        id: "node-too-old",
        level: "fault",
        subject: where,
        says: `asks for Node ${version}; spendfuse needs ${FLOOR} or newer`,
        fix: /ontainerfile|ockerfile/.test(where) ? "FROM node:24" : `echo 24 > ${where}`,
      };
    }
    const floor = manifest?.engine?.match(/^\s*(?:>=|\^|~|v)?\s*(\d[\d.]*)/)?.[1];
    const [major = 0] = readVersion(floor ?? "") ?? [];
    if (floor !== undefined && isBelow(floor, FLOOR) && !(major === 22 && !floor.includes(".")))
      yield {
        id: "engines-too-low",
        level: "note",
        subject: "package.json, engines",
        says: `lets the app be installed on Node ${floor}, where spendfuse does not run`,
        fix: '"engines": { "node": ">=22.15" }',
      };
  },
};
