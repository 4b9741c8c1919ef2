import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { REGISTER_FILE, withNodeOptions } from "../../src/package/node-options.ts";

test("a Node process that the command starts in another folder is loaded too", () => {
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-options-"));
  try {
    mkdirSync(join(folder, REGISTER_FILE, ".."), { recursive: true });
    writeFileSync(join(folder, "node_modules/spendfuse/package.json"), '{"type":"module"}');
    writeFileSync(join(folder, REGISTER_FILE), 'console.log("loaded");');
    const inner = `require("node:child_process").execFileSync(process.execPath, ["-e", "1"], { cwd: "/", stdio: "inherit" })`;
    const command = withNodeOptions(`"${process.execPath}" -e '${inner}'`, false);
    const { NODE_OPTIONS: _, ...env } = process.env;
    expect(execFileSync("sh", ["-c", command], { cwd: folder, env, encoding: "utf8" })).toBe("loaded\nloaded\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("on Windows it is a URL, because a path there is no name of a module", () => {
  expect(withNodeOptions("next start", true)).toBe(
    'set "NODE_OPTIONS=--import file:///%CD:\\=/%/node_modules/spendfuse/dist/register.js" && next start',
  );
});
