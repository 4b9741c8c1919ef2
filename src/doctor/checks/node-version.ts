import { isBelow } from "../facts/packages.ts";
import { fault, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

/** As in `engines` of our own package. */
const FLOOR = "22.15.0";

/** The running Node, and those that the app's files request, are new enough. */
export const nodeVersion: Check = {
  name: "node-version",
  group: "app",
  *check({ node, deployment, manifest }) {
    const needs = `spendfuse needs Node ${FLOOR} or newer`;
    if (isBelow(node, FLOOR)) yield fault("node-too-old", `Node ${node}`, needs, "nvm install 24");
    else yield ok("node-version", `Node ${node}`, "new enough");
    for (const { version, where } of deployment.nodes.filter((one) => isTooOld(one.version))) {
      const fix = /ontainerfile|ockerfile/.test(where) ? "FROM node:24" : `echo 24 > ${where}`;
      yield fault("node-too-old", where, `requests Node ${version}; ${needs}`, fix);
    }
    const floor = /^\s*(?:>=|\^|~|v)?\s*(\d[\d.]*)/.exec(manifest?.engine ?? "")?.[1];
    if (floor !== undefined && isTooOld(floor)) {
      const says = `allows Node ${floor}; ${needs}`;
      yield note("engines-too-low", "package.json, engines", says, '"engines": { "node": ">=22.15" }');
    }
  },
};

/** A major alone stands for its newest release. */
function isTooOld(version: string): boolean {
  return isBelow(version, version.includes(".") ? FLOOR : "22");
}
