import { readHeader } from "../../wire/headers.ts";
import type { Framework } from "./framework.ts";

const NAME = /^You are an agent\. Your internal name is "([^"]+)"/;
const PARENT = /\nYour parent agent is (\S+)\. If neither the other agents nor\s/;

/**
 * Google's ADK: it tells the model the agent's name in the first line of the instructions, and of an agent that can be
 * handed over to its parent's. Where the app has OpenTelemetry, its spans hold more and are read first.
 */
export const googleAdk: Framework = {
  name: "google-adk",
  rank: 3,

  readRequest({ headers, facts }) {
    const instructions = facts?.instructions;
    if (instructions === undefined) return undefined;
    const [, name] = NAME.exec(instructions) ?? [];
    if (name === undefined || readHeader(headers, "x-goog-api-client")?.includes("google-adk/") !== true)
      return undefined;
    const [, parent] = PARENT.exec(instructions) ?? [];
    return { agents: parent === undefined ? [name] : [parent, name] };
  },
};
