import { SpendfuseError } from "../../core/errors.ts";
import type { Client } from "../client.ts";
import type { Body } from "./wanted.ts";

/** A version of Datadog's API in its client, with the serializer of its types. */
type Api = Client["v1"] | Client["v2"];

/** A value of the client as plain API JSON. */
export function toJson({ ObjectSerializer }: Api, value: unknown, type: string): Body {
  return ObjectSerializer.serialize(value, type, "") as Body;
}

/**
 * Plain API JSON as a value of the client, which renames keys: of a plain object every name with an underscore would be
 * lost.
 * @throws SpendfuseError `SPENDFUSE_DATADOG` when the client does not know a part of it.
 */
export function fromJson({ ObjectSerializer }: Api, json: Body, type: string) {
  const value = ObjectSerializer.deserialize(json, type, "");
  const path = findUnparsed(value);
  if (path === undefined) return value;
  throw new SpendfuseError("SPENDFUSE_DATADOG", `the client does not know a part of this ${type}: ${path}`, {
    type,
    path,
  });
}

/** The path of the first part that the client could not parse, or undefined. */
function findUnparsed(value: unknown, path = ""): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ((value as { _unparsed?: boolean })._unparsed === true) return path || "all of it";
  for (const [key, inner] of Object.entries(value)) {
    const found = findUnparsed(inner, path === "" ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
