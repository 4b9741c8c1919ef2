import { SpendfuseError } from "../core/errors.ts";
import { readDuration } from "../core/period.ts";
import { STORE_FORMS, storeKindOf } from "../stores/addresses.ts";

const BREAKER_KEYS = ["url", "port", "host", "ttl"];

/** What a value of the right kind may still be wrong in; the text says how it must be. */
const FORMS: Readonly<Record<string, (value: never) => string | undefined>> = {
  mode: oneOf("enforce", "shadow", "off"),
  whenStateUnknown: oneOf("open", "closed"),
  unpriced: oneOf("allow", "refuse"),
  store: (value: string) => (storeKindOf(value) === undefined ? `must be one of ${STORE_FORMS.join(", ")}` : undefined),
  stateTimeout: (value: string) => (readDuration(value) === undefined ? 'must be a time such as "50ms"' : undefined),
  breaker: breakerFault,
  repeats: repeatsFault,
  billing: billingFault,
  baggage: baggageFault,
};

/**
 * A value of the right kind, if its form is right as well.
 * @throws SpendfuseError `SPENDFUSE_CONFIG`, saying how it must be.
 */
export function checkForm<T>(key: string, value: T, source: string): T {
  const fault = FORMS[key]?.(value as never);
  if (fault === undefined) return value;
  throw new SpendfuseError("SPENDFUSE_CONFIG", `${source}: "${key}" ${fault}`, { source, key });
}

function oneOf(...values: readonly string[]): (value: string) => string | undefined {
  return (value) => (values.includes(value) ? undefined : `must be one of ${values.join(", ")}, not "${value}"`);
}

function breakerFault(breaker: Readonly<Record<string, unknown>>): string | undefined {
  const stray = Object.keys(breaker).find((key) => !BREAKER_KEYS.includes(key));
  if (stray !== undefined) return `has an unknown key "${stray}"; known keys: ${BREAKER_KEYS.join(", ")}`;
  const { url, port, host, ttl } = breaker;
  if (url !== undefined && !/^https?:$/.test(URL.parse(String(url))?.protocol ?? ""))
    return '"url" must be an address such as http://127.0.0.1:4319';
  if (port !== undefined && !(Number.isInteger(port) && Number(port) >= 0 && Number(port) < 65_536))
    return '"port" must be a whole number from 0 to 65535';
  if (host !== undefined && typeof host !== "string") return '"host" must be a name or an address';
  if (ttl !== undefined && readDuration(ttl) === undefined) return '"ttl" must be a time such as "15m"';
  return undefined;
}

function baggageFault({ send, accept, ...rest }: Readonly<Record<string, unknown>>): string | undefined {
  const [stray] = Object.keys(rest);
  if (stray !== undefined) return `has an unknown key "${stray}"; known keys: send, accept`;
  if (accept !== undefined && typeof accept !== "boolean") return '"accept" must be true or false';
  if (send === undefined) return undefined;
  const isHost = (host: unknown) => typeof host === "string" && /^[^/\s]+$/.test(host);
  if (!Array.isArray(send) || !send.every(isHost))
    return '"send" must be a list of hosts such as ["orders.internal", "*.svc:8080"]';
  return undefined;
}

function repeatsFault({ max, within, trip, ...rest }: Readonly<Record<string, unknown>>): string | undefined {
  const [stray] = Object.keys(rest);
  if (stray !== undefined) return `has an unknown key "${stray}"; known keys: max, within, trip`;
  if (!(Number.isInteger(max) && Number(max) > 0)) return '"max" must be a whole number above 0';
  if (readDuration(within) === undefined) return '"within" must be a time such as "5m"';
  return trip === undefined || readDuration(trip) !== undefined ? undefined : '"trip" must be a time such as "15m"';
}

function billingFault({ db, keys, customCosts, ...rest }: Readonly<Record<string, unknown>>): string | undefined {
  const [stray] = Object.keys(rest);
  if (stray !== undefined) return `has an unknown key "${stray}"; known keys: db, keys, customCosts`;
  if (db !== undefined && (typeof db !== "string" || db === "")) return '"db" must be the path of a file';
  if (customCosts !== undefined && typeof customCosts !== "boolean") return '"customCosts" must be true or false';
  const named =
    typeof keys === "object" && keys !== null && Object.values(keys).every((name) => typeof name === "string");
  return keys === undefined || named ? undefined : '"keys" must be an object such as { "key_abc": "prod" }';
}
