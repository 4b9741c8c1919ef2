/** Why tests are skipped, by what their conditions name. A test without any of these says its reason itself. */
const REASONS: readonly (readonly [named: RegExp, reason: string])[] = [
  [/NO_REDIS/, "redis-server is not installed"],
  [/chromium/, "Chromium is not installed"],
  [/hasPromtool/, "promtool is not installed"],
  [/\bprogram\b/, "terraform and its Datadog provider are not installed"],
  [/hasOpenApi/, "Datadog's OpenAPI files are not beside this folder (../shared)"],
  [/hasExchanges|recorded|withProcess|people/i, "the recordings are not beside this folder (../shared)"],
  [/REGISTER/, "there is no dist: npm run build"],
  [/skips\(fault\)|skipped\(name\)/, "redis-server is not installed, or no tmpfs can be mounted"],
  [/\/proc\//, "the test reads /proc, which Linux alone has"],
  [/\bmissing\b/, "openssl or redis-server is not installed"],
];

const CONDITION = /\.(?:skipIf|runIf)\(([^\n]*?)\)(?:[(.<;]|$)|^\s*if \((.*)\) (?:return )?(?:test|context)\.skip\(/gm;

/** The conditions under which a file skips tests. */
export function conditionsOf(source: string): readonly string[] {
  return [...source.matchAll(CONDITION)].map(([, one, other]) => one ?? other ?? "");
}

/** Why a condition skips; undefined for an unknown one. */
export function reasonOf(condition: string): string | undefined {
  return REASONS.find(([named]) => named.test(condition))?.[1];
}

/** The reasons for which the tests of a file may be skipped, in one line. */
export function reasonsOf(source: string): string {
  const found = new Set(conditionsOf(source).flatMap((condition) => reasonOf(condition) ?? []));
  return [...found].join(", or ") || "left out by a filter (-t, .only), or the test says why";
}

/** One line a reason, the most frequent first. */
export function skippedLines(skipped: ReadonlyMap<string, number>): readonly string[] {
  return [...skipped].sort(([, a], [, b]) => b - a).map(([reason, count]) => `  ${count} skipped: ${reason}`);
}
