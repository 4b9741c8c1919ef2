import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { refusalOf, whyUnreachable } from "../../src/datadog/rest/refusal.ts";
import { fixOf as fixOfFile } from "../../src/stores/file/faults.ts";
import { fixOf as fixOfRedis } from "../../src/stores/redis/faults.ts";
import { type ErrorSite, errorSites, sitesOf } from "./error-sites.ts";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const union = /export type ErrorCode =([^;]*);/.exec(read("src/core/errors.ts"))?.[1] ?? "";
const CODES = [...union.matchAll(/"(\w+)"/g)].map(([, code]) => code as string);
const SITES = errorSites();
const OURS = SITES.filter(({ maker }) => maker === "SpendfuseError" || maker.startsWith("usage"));

/** Words by which a message says what to do, or what would have been right. */
const WAY_OUT =
  /\b(must|needs?|set|use|write|pass|name|choose|try|run|start|check|move|give|leave|end|configure|give|install|takes?|replaces|listen|did you mean|[Tt]here (are|is):?|the tag that can|belongs?|is for|is read once|again|use it)\b/;

const REFUSAL = "refusalOf: the table of Datadog's answers below";
/** Messages that are made elsewhere, as `file: message`, and what there says the way out. */
const MADE_ELSEWHERE: Readonly<Record<string, string>> = {
  "billing/poll.ts: … …  (…)": "describeFault: test/billing/poll.test.ts, by status",
  "cli/commands/command.ts: …": "usage() itself, and what node:util says of arguments; --help is named below each",
  "cli/commands/deploy/destroy.ts: Datadog cannot be read: …": REFUSAL,
  "cli/commands/deploy/install.ts: Datadog cannot be read: …": REFUSAL,
  "cli/commands/monitors/run.ts: …: …": "its three callers say what the file must be or needs",
  "config/config.ts: …": "each problem has a fix: test/config/refusals.test.ts",
  "datadog/deploy/wanted.ts: …": "addressMessage: test/datadog/deploy.test.ts",
  "datadog/metered-query.ts: metered spend cannot be read from Datadog: …": REFUSAL,
  "datadog/series-sink.ts: points were not taken: …": REFUSAL,
  "guard/refusal.ts: …": "explain() ends with one way out: test/guard/refusal.test.ts",
  "pricing/charge.ts: charge(): …, not … … …": "each caller says what the value must be: test/pricing/charge.test.ts",
  "sandbox/preload.ts: …: …": "the sandbox says what it refuses in the file",
  "stores/redis/connection.ts: the store at … cannot be used: …… ……": "fixOf: the table of Redis errors below",
};

/**
 * Errors of other classes: by folder or file, who turns them into an answer or a message for a user. None of them is
 * thrown at a user as it is.
 */
const CAUGHT: Readonly<Record<string, string>> = {
  "billing/": "explain() in billing/poll.ts makes it an invalid report of the vendor, with what to do",
  "cli/commands/top/otlp-source.ts": "the answer 400 to who sends metrics",
  "core/money.ts": "the parsers of vendors' reports, which explain() answers for",
  "datadog/query/": "the linter, with the place in the query",
  "datadog/series-sink.ts": "a fault of ours: a figure that is no number",
  "datadog/rest/rest.ts": "ApiRefusal is a SpendfuseError",
  "grafana/": "the list of what is left out in a panel or rule",
  "guard/": "the guard itself",
  "meter/": "the faults that are counted, never the caller",
  "package/root.ts": "an incomplete installation: npm install",
  "process/late-store.ts": "the guard, which knows a closed store",
  "proxy/sockets/": "the close frame that the peer gets",
  "sandbox/": "the answer to who asks the sandbox, or the widget's text",
  "stores/redis/locate.ts": "storeError of stores/redis/connection.ts",
  "stores/store.ts": "the breaker's answer 503",
};

/** What is appended to another's message, for each kind of fault, and what it must say. */
const APPENDED: readonly (readonly [what: string, text: string, says: RegExp])[] = [
  ["SQLite: full", fixOfFile("database or disk is full"), /free some space/],
  ["SQLite: locked", fixOfFile("database is locked"), /another process holds the lock: retry/],
  ["SQLite: no database", fixOfFile("file is not a database"), /move that file away/],
  ["SQLite: no rights", fixOfFile("attempt to write a readonly database"), /needs write access/],
  ["SQLite: folder is missing", fixOfFile("unable to open database file"), /needs write access/],
  ["SQLite: any other", fixOfFile("disk I/O error"), /check its disk/],
  ["Redis: password", fixOfRedis("WRONGPASS invalid username-password pair"), /check user and password/],
  ["Redis: no password", fixOfRedis("NOAUTH Authentication required."), /check user and password/],
  ["Redis: rights", fixOfRedis("NOPERM this user has no permissions to run 'evalsha'"), /docs\/stopping\.md/],
  ["Redis: replica", fixOfRedis("READONLY You can't write against a read only replica."), /name the primary/],
  ["Redis: memory", fixOfRedis("OOM command not allowed when used memory > 'maxmemory'."), /give it memory/],
  ["Redis: certificate", fixOfRedis("self-signed certificate"), /NODE_EXTRA_CA_CERTS/],
  ["Redis: name", fixOfRedis("getaddrinfo ENOTFOUND redis"), /check its host's name/],
  ["Redis: nothing listens", fixOfRedis("connect ECONNREFUSED 127.0.0.1:6379"), /check that it runs/],
  ["Datadog: key", datadog(401), /check that DD_API_KEY and DD_APP_KEY are keys of this organization/],
  ["Datadog: rights", datadog(403), /may write monitors/],
  ["Datadog: proxy", datadog(407), /proxy/],
  ["Datadog: rate", datadog(429), /run it again later/],
  ["Datadog: its fault", datadog(500), /run it again later/],
  ["Datadog: nothing there", datadog(404), /check that DD_SITE/],
  ["Datadog: no address", unreachable("ENOTFOUND"), /check DD_SITE and the network/],
  ["Datadog: refused", unreachable("ECONNREFUSED"), /check DD_SITE/],
  ["Datadog: certificate", unreachable("SELF_SIGNED_CERT_IN_CHAIN"), /NODE_EXTRA_CA_CERTS/],
  ["Datadog: time", unreachable("ETIMEDOUT"), /check the firewall/],
  ["Datadog: cut off", unreachable("ECONNRESET"), /check the network/],
];

function datadog(code: number): string {
  return refusalOf({ code, body: { errors: ["no"] } }).message;
}

function unreachable(code: string): string {
  return whyUnreachable("api.datadoghq.com", Object.assign(new Error("fetch failed"), { cause: { code } }), {});
}

const isUnder = (file: string, place: string): boolean =>
  place.endsWith("/") ? file.startsWith(place) : file === place;
const shown = ({ file, line, message }: ErrorSite): string => `${file}:${line}: ${message}`;

test("the page of error codes names the cause and the fix of each", () => {
  expect(CODES.length).toBeGreaterThan(5);
  const rows = [...read("docs/errors.md").matchAll(/^\| `(\w+)` \| ([^|]{20,}) \| ([^|]{10,}) \|$/gm)];
  expect(rows.map(([, code]) => code)).toEqual(CODES);
});

describe("every place that makes an error", () => {
  test("is found", () => {
    const text = `
      const says = \`a \${b} is wrong\` + ": use c";
      export function f() {
        if (x) throw new SpendfuseError("SPENDFUSE_USAGE", says, { file, fix: "c" });
        if (y) throw usage(z ? "name one" : "try two");
        return new SpendfuseError("SPENDFUSE_STORE", "no");
      }
      function g() { throw new TypeError("bare"); }`;
    expect(sitesOf("a.ts", text).map(({ maker, code, message, facts }) => [maker, code, message, facts])).toEqual([
      ["SpendfuseError", "SPENDFUSE_USAGE", "a … is wrong: use c", ["file", "fix"]],
      ["usage", undefined, "name one try two", []],
      ["SpendfuseError", "SPENDFUSE_STORE", "no", []],
      ["TypeError", undefined, "bare", []],
    ]);
    expect(OURS.length).toBeGreaterThan(120);
  });

  test("has a code of the page", () => {
    const used = new Set(OURS.flatMap(({ code }) => code ?? []));
    expect([...used].filter((code) => !CODES.includes(code))).toEqual([]);
  });

  test("says what to do", () => {
    const silent = OURS.filter(({ message, facts }) => !WAY_OUT.test(message) && !facts.includes("fix"));
    expect([...new Set(silent.map(({ file, message }) => `${file}: ${message}`))]).toEqual(Object.keys(MADE_ELSEWHERE));
  });

  test("of another class is caught by us", () => {
    const others = SITES.filter((site) => !OURS.includes(site));
    const loose = others.filter(({ file }) => !Object.keys(CAUGHT).some((place) => isUnder(file, place)));
    expect(loose.map(shown)).toEqual([]);
    const stale = Object.keys(CAUGHT).filter((place) => !others.some(({ file }) => isUnder(file, place)));
    expect(stale).toEqual([]);
  });
});

test.each(APPENDED)("%s: what to do is appended", (_what, text, says) => {
  expect(text).toMatch(says);
});
