import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nameOfApp } from "../../src/package/app-name.ts";

let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const files = {
    "shop/package.json": '{ "name": "@acme/shop" }',
    "shop/src/main.js": "",
    "shop/dist/package.json": '{ "type": "module" }',
    "shop/dist/main.js": "",
    "shop/broken/package.json": "{",
    "shop/broken/main.js": "",
    "shop/node_modules/tsx/package.json": '{ "name": "tsx" }',
    "shop/node_modules/tsx/cli.js": "",
    "global/node_modules/agent/package.json": '{ "name": "agent" }',
    "global/node_modules/agent/cli.js": "",
    "bare/main.js": "",
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.each([
  ["shop/src/main.js", "bare", "@acme/shop"],
  ["shop/dist/main.js", "bare", "@acme/shop"],
  ["shop/broken/main.js", "bare", "@acme/shop"],
  ["shop/node_modules/tsx/cli.js", "bare", "@acme/shop"],
  ["global/node_modules/agent/cli.js", "bare", "agent"],
  ["bare/main.js", "shop/src", "@acme/shop"],
  [undefined, "shop", "@acme/shop"],
  ["bare/main.js", "bare", undefined],
  [undefined, undefined, undefined],
])("the app of %s in %s is %s", (entry, cwd, name) => {
  const at = (path: string | undefined) => path && join(root, path);
  expect(nameOfApp(at(entry), at(cwd))).toBe(name);
});
