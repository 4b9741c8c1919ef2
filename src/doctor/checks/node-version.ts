import { isBelow, readVersion } from "../facts/version.ts";
import type { Facts } from "../facts.ts";
import { fault, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

/** As `engines` of our own package has it. */
const FLOOR = "22.15.0";

/** The Node that looks, and those that the app's files ask for. */
export const nodeVersion: Check = {
  name: "node-version",
  group: "app",
  *check({ node, deployment, manifest }: Facts) {
    if (isBelow(node, FLOOR))
      yield fault("node-too-old", `Node ${node}`, `spendfuse needs Node ${FLOOR} or newer`, "nvm install 24");
    else yield ok("node-version", `Node ${node}`, "new enough");
    for (const { version, where } of deployment.nodes) {
      // `22` alone is its newest.
      if (version.includes(".") ? !isBelow(version, FLOOR) : !isBelow(version, "22")) continue;
      yield fault(
        "node-too-old",
        where,
        `asks for Node ${version}; spendfuse needs ${FLOOR} or newer`,
        /ontainerfile|ockerfile/.test(where) ? "FROM node:24" : `echo 24 > ${where}`,
      );
    }
    const floor = manifest?.engine?.match(/^\s*(?:>=|\^|~|v)?\s*(\d[\d.]*)/)?.[1];
    const [major = 0] = readVersion(floor ?? "") ?? [];
    if (floor !== undefined && isBelow(floor, FLOOR) && !(major === 22 && !floor.includes(".")))
      yield note(
        "engines-too-low",
        "package.json, engines",
        `lets the app be installed on Node ${floor}, where spendfuse does not run`,
        '"engines": { "node": ">=22.15" }',
      );
  },
};
