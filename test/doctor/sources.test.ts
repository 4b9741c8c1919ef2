import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packageOf } from "../../src/doctor/facts/packages.ts";
import { findSources, placeOf, readFile } from "../../src/doctor/facts/sources.ts";
import { shownUrl, withoutSecrets } from "../../src/doctor/secrets.ts";
import { appOf } from "./stage.ts";

describe("sources", () => {
  test.each([
    ['import "a";', ["a"]],
    ['import A, { b } from "a";\nexport * from "./c.js";', ["a", "./c.js"]],
    ['const a = require("a"); await import("b");', ["a", "b"]],
    ['import type { A } from "a";\nimport { type B } from "b";', ["b"]],
    ['// import "a";\n/* import "b"; */ import "c";', ["c"]],
    ['const help = `import "a"`; const text = \'require("b")\';', []],
    [`const t = \`\${f({ x: \`}\` })} import\`; import "a";`, ["a"]],
    ["const p = /[/\"']/g; import 'a';", ["a"]],
    ["const half = n / 2; const text = 'a/b'; import 'a';", ["a"]],
    ["const s = 'it\\'s'; import 'a';", ["a"]],
    ["<p>Don't</p>;\nimport 'a';", ["a"]],
    ['const broken = "no end\nimport "a";', ["a"]],
    ["const X = <p>Don't</p>;\nconst y = import('a');", ["a"]],
    ["const X = () => <div><br/><a href='b'>/ it's `</a>{f ? 'c' : \"d\"} import 'e'</div>; import 'a';", ["a"]],
    ["if (x) /[\"]/.test(y); import 'a';", ["a"]],
    ["const q = a++ / 2 / b; import 'a';", ["a"]],
    ["export * as b from 'a'; export { from } from 'c';", ["a", "c"]],
    ["const A = a.from('b'); array.import('c'); require.resolve('d');", []],
  ])("imports of %j", (source, names) => {
    expect(readFile("a.js", source).imports.map(({ name }) => name)).toEqual(names);
  });

  test("types of TypeScript are no elements", () => {
    const source = 'const f = <T>(x: T) => <U>x;\nconst s = "don\'t";\nimport a = require("a");\nimport "b";';
    expect(readFile("a.ts", source).imports.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("what is left is as long as the source, with its lines where they were", () => {
    const parts = fc.constantFrom(
      '"',
      "'",
      "`",
      "${",
      "{",
      "}",
      "/",
      "//",
      "/*",
      "*/",
      "\\",
      "\n",
      "a",
      " ",
      "(",
      "[",
      "<",
      ">",
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 60 }), fc.boolean(), (some, jsx) => {
        const source = some.join("");
        const { code } = readFile(jsx ? "a.js" : "a.ts", source);
        expect(code).toHaveLength(source.length);
        expect(code.split("\n").length).toBe(source.split("\n").length);
      }),
    );
  });

  test("a place is a line", () => {
    const file = readFile("src/a.js", 'const a = 1;\n/* two\nlines */ import "b";');
    expect(placeOf(file, file.imports[0]?.at ?? 0)).toBe("src/a.js:3");
  });

  test.each([
    ["openai/realtime/ws", "openai"],
    ["@openai/agents/utils", "@openai/agents"],
    ["./a.js", undefined],
    ["node:http", undefined],
    ["#own", undefined],
  ])("the package of %s is %s", (name, expected) => {
    expect(packageOf(name)).toBe(expected);
  });

  test("tests, what is built, other packages and what is no source are left out; 500 are enough", () => {
    const files = {
      "main.js": "",
      "src/a.ts": "",
      "src/a.test.ts": "",
      "src/a.d.ts": "",
      "src/test/b.ts": "",
      "dist/main.js": "",
      ".next/c.js": "",
      "other/package.json": '{ "name": "other" }',
      "other/d.js": "",
      "esm/package.json": '{ "type": "module" }',
      "esm/e.mjs": "",
      "README.md": "",
      "big.js": "a".repeat(300_000),
    };
    const found = findSources(appOf(files));
    expect(found).toMatchObject({ cut: false });
    expect(found.files.map(({ path }) => path)).toEqual(["main.js", "esm/e.mjs", "src/a.ts"]);
    const many = Object.fromEntries(Array.from({ length: 501 }, (_, index) => [`m${index}.js`, ""]));
    expect(findSources(appOf(many))).toMatchObject({ cut: true, files: { length: 500 } });
  });
});

describe("secrets", () => {
  const clean = (says: string, env: Readonly<Record<string, string>> = {}): string =>
    withoutSecrets([{ group: "app", id: "a", level: "fault", subject: says, says, fix: says }], env)[0]?.says ?? "";

  test.each([
    ["the key is abcdef123", { A_KEY: "abcdef123" }, "the key is ***"],
    ["Bearer of-the-collector", { OTEL_EXPORTER_OTLP_HEADERS: "a=1,authorization=of-the-collector" }, "Bearer ***"],
    ["redis://:word@host:1", {}, "redis://***@host:1"],
    ["API_TOKEN='a b' node main.js", {}, "API_TOKEN=*** node main.js"],
    ["use sk-abcdefghijklmnop", {}, "use ***"],
    ["OPENAI_API_KEY=…", { OPENAI_API_KEY: "abcdef123" }, "OPENAI_API_KEY=…"],
    ["DB_PASS=hunter2 PORT=80 node --api-key live_1 a.js", {}, "DB_PASS=*** PORT=80 node --api-key *** a.js"],
    ["GITHUB_PAT=ghp_1 CUSTOMER=acme-01 LOG_LEVEL=info x", {}, "GITHUB_PAT=*** CUSTOMER=*** LOG_LEVEL=info x"],
    ["OTEL_EXPORTER_OTLP_HEADERS=a=hcaik_1 x --token=t1", {}, "OTEL_EXPORTER_OTLP_HEADERS=*** x --token=***"],
    ["NODE_OPTIONS='--import spendfuse/register' x", {}, "NODE_OPTIONS='--import spendfuse/register' x"],
    ["next-auth 5.0 and @ai-sdk/openai-compatible 2.0", {}, "next-auth 5.0 and @ai-sdk/openai-compatible 2.0"],
    [
      "node --compatible 1 --github-pat ghp_1 --myPAT=ghp_2 a.js",
      {},
      "node --compatible 1 --github-pat *** --myPAT=*** a.js",
    ],
    ["SPENDFUSE_MODE=enforce", { SPENDFUSE_MODE: "enforce" }, "SPENDFUSE_MODE=enforce"],
  ])("%s", (text, env, expected) => {
    expect(clean(text, env)).toBe(expected);
  });

  test("of an address only protocol, host and path are shown", () => {
    expect(shownUrl("https://me:word@a.example:8443/v1?key=1#x")).toBe("https://a.example:8443/v1");
    expect(shownUrl("nothing")).toBe("an invalid address");
  });
});
