import { type Json, object, parse } from "../../../core/json.ts";
import type { ChangeOutcome, RequestChange } from "../../../limits/ladder.ts";
import type { RequestFacts } from "../formats/format.ts";
import { factsOf, type Target } from "../target.ts";
import { setMember } from "./set-member.ts";

/** A request as it is sent instead of the caller's. */
export interface ChangedRequest {
  readonly address: string;
  readonly body: string;
  readonly facts: RequestFacts;
  readonly changes: Changes;
}

/** What was changed in a request, as records and answers say it. */
export interface Changes {
  readonly budget: string;
  /** The model that the caller asked. */
  readonly model?: string;
  /** The limit of output tokens that we set. */
  readonly maxOutput?: number;
}

/**
 * Changes a request, in all that applies to it. `nothing` where nothing does: in a format that does not say where, or a
 * limit of the request's own that is lower. `fixed` where it is not JSON, names its model in no way that we know, or is not
 * read the same way afterwards.
 */
export function changeRequest(
  target: Target,
  address: string,
  text: string,
  facts: RequestFacts,
  change: RequestChange,
): ChangedRequest | Exclude<ChangeOutcome, "changed"> {
  const { settings } = target.format;
  const json = object(parse(text));
  if (settings === undefined || target.readFacts !== undefined) return "nothing";
  if (json === undefined) return "fixed";
  const asked = change.model === undefined ? undefined : facts.model;
  const where = asked === undefined ? undefined : withModel(address, text, json, asked, change.model as string);
  if (asked !== undefined && where === undefined) return "fixed";
  const before = where?.body ?? text;
  const limit = limitOf(target, json, facts, change);
  const body = limit === undefined ? before : withLimit(before, limit.members, limit.tokens);
  if (where === undefined && limit === undefined) return "nothing";
  if (body === undefined) return "fixed";
  const read = factsOf(target, body);
  if (read === undefined || (limit !== undefined && read.maxOutput !== limit.tokens)) return "fixed";
  const inPath = where !== undefined && where.address !== address;
  if (where !== undefined && json.model !== undefined && read.model !== change.model) return "fixed";
  return {
    address: where?.address ?? address,
    body,
    facts: inPath ? { ...read, model: change.model } : read,
    changes: {
      budget: change.budget,
      ...(where !== undefined && asked !== undefined && { model: asked }),
      ...(limit !== undefined && { maxOutput: limit.tokens }),
    },
  };
}

interface Place {
  readonly address: string;
  readonly body: string;
}

/** The model is named by the body, by the path, or by both: as the deployment of Azure, whose name then decides. */
function withModel(address: string, text: string, json: Json, asked: string, model: string): Place | undefined {
  const deployed = address.includes(DEPLOYMENTS);
  const inBody = json.model === asked;
  if (!inBody && json.model !== undefined) return undefined;
  const sentTo = inBody && !deployed ? address : withModelInPath(address, asked, model, deployed);
  const body = inBody ? setMember(text, ["model"], model) : text;
  return sentTo === undefined || body === undefined ? undefined : { address: sentTo, body };
}

const DEPLOYMENTS = "/deployments/";

function withModelInPath(address: string, asked: string, model: string, deployed: boolean): string | undefined {
  const [before, after] = deployed ? [DEPLOYMENTS, "/"] : ["/", ":"];
  const [start, end, ...more] = address.split(`${before}${asked}${after}`);
  if (end === undefined || more.length > 0) return undefined;
  return `${start}${before}${encodeURIComponent(model)}${after}${end}`;
}

interface Limit {
  readonly members: readonly (readonly string[])[];
  readonly tokens: number;
}

/** Undefined where the request has as low a limit already, or cannot have one. */
function limitOf(
  { format, host }: Target,
  json: Json,
  { maxOutput }: RequestFacts,
  change: RequestChange,
): Limit | undefined {
  if (change.maxOutput === undefined || format.settings === undefined) return undefined;
  const members = format.settings.limits(json, host?.provider);
  const tokens = Math.max(change.maxOutput, format.settings.least?.(json) ?? 1);
  return members.length === 0 || (maxOutput !== undefined && maxOutput <= tokens) ? undefined : { members, tokens };
}

function withLimit(text: string, members: Limit["members"], tokens: number): string | undefined {
  let body: string | undefined = text;
  for (const path of members) body = body === undefined ? undefined : setMember(body, path, tokens);
  return body;
}
