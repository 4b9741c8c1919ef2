import { withNodeOptions } from "../../../package/node-options.ts";

/** What of a package.json says how the app is started. */
export interface Manifest {
  readonly main?: unknown;
  readonly scripts?: { readonly start?: unknown };
}

const IMPORT = "--import spendfuse/register";
/** Node itself, at the beginning of a script or behind variables and other programs: `NODE_ENV=x node app.js`. */
const NODE = /(^|[\s/])node(?=\s)/;

/** The command that starts the app metered: its start script where that is Node, else by Node's own variable. */
export function startCommand({ main, scripts }: Manifest): string {
  const start = scripts?.start;
  if (typeof start === "string") {
    if (start.includes("spendfuse/register")) return "npm start";
    if (NODE.test(start)) return start.replace(NODE, `$1node ${IMPORT}`);
    return withNodeOptions("npm start");
  }
  return `node ${IMPORT} ${typeof main === "string" && main !== "" ? main : "app.js"}`;
}
