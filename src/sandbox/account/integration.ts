import type { Webhook } from "../webhook.ts";
import { type AccountAnswer, type AccountRequest, type Body, isBody, ok, refuse } from "./answer.ts";

/** Webhooks and the variables that they may name. */
export interface Integration {
  handle(request: AccountRequest, rest: string): AccountAnswer | undefined;
  readonly webhooks: readonly Webhook[];
  /** With the secret ones. */
  readonly variables: ReadonlyMap<string, string>;
}

interface Variable {
  readonly name: string;
  readonly value: string;
  readonly is_secret: boolean;
}

const MAX = 200;
/** What Datadog sends where a webhook has no payload of its own. */
const PAYLOAD =
  '{"body": "$EVENT_MSG", "last_updated": "$LAST_UPDATED", "event_type": "$EVENT_TYPE", "title": "$EVENT_TITLE", "date": "$DATE", "org": {"id": "$ORG_ID", "name": "$ORG_NAME"}, "id": "$ID"}';
const VARIABLE_NAME = /^[A-Z][A-Z0-9_]*$/;

export function createIntegration(): Integration {
  const webhooks = new Map<string, Webhook>();
  const variables = new Map<string, Variable>();

  function readWebhook(body: Body): Webhook | string {
    const { name, url, payload, custom_headers, encode_as } = body;
    if (typeof name !== "string" || !/^[\w.-]+$/.test(name)) return "invalid webhook name";
    if (typeof url !== "string" || !URL.canParse(url)) return "invalid webhook url";
    if (custom_headers !== undefined && custom_headers !== null && !isJsonObject(custom_headers))
      return "custom_headers must be a JSON object, as text";
    return {
      auth_method_id: null,
      custom_headers: null,
      encode_as: "json",
      ...pick({ custom_headers, encode_as }),
      payload: String(payload ?? PAYLOAD),
      name,
      url,
    } as Webhook;
  }

  function readVariable(body: Body): Variable | string {
    const { name, value, is_secret = false } = body;
    if (typeof name !== "string" || !VARIABLE_NAME.test(name)) return "invalid variable name";
    if (typeof value !== "string" || value === "") return "invalid variable value";
    return { name, value, is_secret: is_secret === true };
  }

  function collection<T extends { readonly name: string }>(
    map: Map<string, T>,
    read: (body: Body) => T | string,
    show: (item: T) => unknown,
    missing: string,
  ): (request: AccountRequest, name: string) => AccountAnswer | undefined {
    return ({ method, body }, name) => {
      if (name === "") {
        if (method !== "POST") return undefined;
        const made = isBody(body) ? read(body) : "invalid body";
        if (typeof made === "string") return refuse(400, made);
        if (map.has(made.name)) return refuse(400, `${made.name} already exists`);
        if (map.size >= MAX) return refuse(400, `the sandbox holds ${MAX} at most`);
        map.set(made.name, made);
        return ok(show(made), 201);
      }
      const known = map.get(name);
      if (known === undefined) return refuse(404, missing);
      if (method === "GET") return ok(show(known));
      if (method === "DELETE") {
        map.delete(name);
        return ok({});
      }
      if (method !== "PUT") return undefined;
      const changed = isBody(body) ? read({ ...known, ...body }) : "invalid body";
      if (typeof changed === "string") return refuse(400, changed);
      map.delete(name);
      map.set(changed.name, changed);
      return ok(show(changed));
    };
  }

  const ways = {
    webhooks: collection(webhooks, readWebhook, (webhook) => webhook, "Webhook does not exist"),
    "custom-variables": collection(variables, readVariable, showVariable, "Custom variable does not exist"),
  };

  return {
    get webhooks() {
      return [...webhooks.values()];
    },
    get variables() {
      return new Map([...variables.values()].map(({ name, value }) => [name, value]));
    },
    handle(request, rest) {
      const [, kind = "", name = ""] = rest.split("/");
      if (kind !== "webhooks" && kind !== "custom-variables") return undefined;
      return ways[kind](request, decodeURIComponent(name));
    },
  };
}

/** The value of a secret is never shown. */
function showVariable({ name, value, is_secret }: Variable): Body {
  return is_secret ? { name, is_secret } : { name, value, is_secret };
}

function isJsonObject(text: unknown): boolean {
  try {
    return isBody(JSON.parse(String(text)));
  } catch {
    return false;
  }
}

function pick(body: Body): Body {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
