import type { Finding } from "./finding.ts";

/** An address without user, password and query, which may be secret. */
export function shownUrl(address: string): string {
  const url = URL.parse(address);
  return url === null ? "an invalid address" : `${url.protocol}//${url.host}${url.pathname}`;
}

const SECRET_NAME = /KEY|TOKEN|SECRET|PASS|PWD|PAT\b|_PAT_|CREDENTIAL|HEADERS|BASIC|AUTH|DSN|COOKIE|SALT/i;
/** Variables whose values may be shown unless {@link SECRET_NAME} matches. */
const SHOWN_NAME = /^(?:NODE_\w+|PORT|HOST|TZ|LANG|(?:OTEL|DD|SPENDFUSE)_\w+|FROM)$/;
const MIN_LENGTH = 6;
const MASK = "***";
/** Too simple for a secret. */
const PLAIN_VALUE = /^(?:\d{1,6}|[a-z]{1,10})$/i;
const ASSIGNED = /(?<![\w-])([A-Z_][A-Z0-9_]*)=(?!…)("[^"]*"|'[^']*'|[^\s"',]+)/g;
const SET_BY_NAME = /\b(\w*(?:key|token|secret|password|passwd)\w*)=(?!…)("[^"]*"|'[^']*'|[^\s"',]+)/gi;
/** A flag begins with its dashes: in `next-auth 5` and `@ai-sdk/openai-compatible 1` they are part of a name. */
const FLAG =
  /(?<![\w/-])(--?[\w-]*(?:key|token|secret|pass|pwd|pat(?![a-z])|auth|credential|header)[\w-]*)([= ])("[^"]*"|'[^']*'|[^\s"',-][^\s"',]*)/gi;
const IN_URL = /(:\/\/)[^\s/@"']+@/g;
const LOOKS_LIKE_KEY = /\b(?:sk|pk|rk)-[\w-]{12,}|\bAIza[\w-]{20,}/g;

/** Masks the values of variables that may hold a secret, and what looks like a secret in the app's files. */
export function withoutSecrets(
  findings: readonly Finding[],
  env: Readonly<Record<string, string | undefined>>,
): readonly Finding[] {
  const values = Object.entries(env)
    .flatMap(([name, value]) => (SECRET_NAME.test(name) && value !== undefined ? partsOf(value) : []))
    .sort((a, b) => b.length - a.length);
  const clean = (text: string): string => {
    let shown = text;
    for (const value of values) shown = shown.replaceAll(value, MASK);
    return shown
      .replace(ASSIGNED, (all, name: string, value: string) => {
        // `…` is to be filled in.
        const isPlain = SHOWN_NAME.test(name) || PLAIN_VALUE.test(value);
        const isShown = value.includes("…") || (isPlain && !SECRET_NAME.test(name));
        return isShown ? all : `${name}=${MASK}`;
      })
      .replace(SET_BY_NAME, `$1=${MASK}`)
      .replace(FLAG, `$1$2${MASK}`)
      .replace(IN_URL, `$1${MASK}@`)
      .replace(LOOKS_LIKE_KEY, MASK);
  };
  return findings.map(({ subject, says, fix, ...rest }) => ({
    ...rest,
    subject: clean(subject),
    says: clean(says),
    ...(fix !== undefined && { fix: clean(fix) }),
  }));
}

/** A value, and the values of its pairs where it is a list. */
function partsOf(value: string): readonly string[] {
  const pairs = value.split(",").map((pair) => pair.slice(pair.indexOf("=") + 1));
  return [value, ...pairs].map((part) => part.trim()).filter((part) => part.length >= MIN_LENGTH);
}
