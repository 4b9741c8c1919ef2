import { TAG_NAME } from "../core/tags/tags.ts";
import { exampleStore, STORE_FORMS, STORE_PATTERN } from "../stores/addresses.ts";

/** How a text must be written. */
export interface Form {
  /** In the tables of the docs. */
  readonly title: string;
  /** Completes "must be …". */
  readonly says: string;
  /** A regular expression, also the `pattern` of the JSON schema. */
  readonly pattern: string;
  readonly example: string;
}

const DURATION = "\\d{1,6}(\\.\\d{1,3})?(ms|s|m|h|d)";
const WINDOW = "[1-9]\\d{0,5}(\\.\\d{1,3})?(s|m|h|d)";
const DAY = "\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])";
const TIME = "T([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2})";
const URL_HOST = "([^\\s/?#:@\\[\\]]+|\\[[0-9A-Fa-f:.]+\\])";

export const FORMS = {
  text: { title: "text", says: "a text that is not empty", pattern: "\\S", example: "my-name" },
  duration: {
    title: "duration",
    says: 'a duration such as "50ms", "90s", "15m", "24h"',
    pattern: `^${DURATION}$`,
    example: "15m",
  },
  window: {
    title: "duration",
    says: 'a duration of 1 second or more, such as "90s", "15m"',
    pattern: `^${WINDOW}$`,
    example: "15m",
  },
  period: {
    title: "period",
    says: 'run, minute, hour, day, month, or a moving window such as "15m", "24h"',
    pattern: `^(run|minute|hour|day|month|${WINDOW})$`,
    example: "hour",
  },
  url: {
    title: "URL",
    says: "an http or https address",
    pattern: `^https?://([^\\s/?#@]+@)?${URL_HOST}(:\\d{1,5})?([/?#]\\S*)?$`,
    example: "http://127.0.0.1:4319",
  },
  host: {
    title: "host",
    says: "a host without scheme and path, exact or with *, each with or without :port",
    pattern: "^[^/\\s]+$",
    example: "llm.example.com",
  },
  path: {
    title: "path",
    says: "a path that begins with /, without query",
    pattern: "^/[^\\s?#]*$",
    example: "/search",
  },
  store: {
    title: "store address",
    says: `one of ${STORE_FORMS.join(", ")}`,
    pattern: STORE_PATTERN,
    example: exampleStore("host"),
  },
  date: {
    title: "date",
    says: "an ISO date, or a time with its zone",
    pattern: `^${DAY}(${TIME})?$`,
    example: "2026-11-01",
  },
  tag: {
    title: "name of a tag",
    says: "2 to 31 lower-case letters, digits and _, and no name that spendfuse or a backend uses itself",
    pattern: TAG_NAME,
    example: "customer",
  },
  keyHash: {
    title: "hash of a key",
    says: "the first 8 hex digits of the key's SHA-256, as hashKey(key) gives them",
    pattern: "^[0-9a-f]{8}$",
    example: "9f86d081",
  },
} as const satisfies Readonly<Record<string, Form>>;

export type FormName = keyof typeof FORMS;
