import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/commands/registry.ts";
import { LAWS } from "../architecture/laws.ts";
import { readTree } from "../architecture/tree.ts";

const ROOT = join(import.meta.dirname, "../..");
const copy = mkdtempSync(join(tmpdir(), "spendfuse-cli-"));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function run(root: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "src/cli/main.ts"), ...args], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("the spendfuse command", () => {
  test("--help names every command, --version the version", () => {
    const help = run(ROOT, "--help");
    expect(help).toMatchObject({ status: 0, stderr: "" });
    for (const name of Object.keys(COMMANDS)) expect(help.stdout).toMatch(new RegExp(`^ {2}${name} +\\S`, "m"));
    expect(run(ROOT).stdout).toBe(help.stdout);
    expect(run(ROOT, "--version").stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each(["dmo", "toString", "--helo"])("%s is no command: exit code 2", (name) => {
    const unknown = run(ROOT, name);
    expect(unknown).toMatchObject({ status: 2, stdout: "" });
    expect(unknown.stderr).toContain(`"${name}". Commands: demo, `);
  });

  test.each(Object.keys(COMMANDS))("%s has its help, and refuses an option that it does not know", async (name) => {
    const { command } = await COMMANDS[name]!();
    expect(command.name).toBe(name);
    expect(run(ROOT, name, "-h")).toEqual({ status: 0, stdout: `${command.help}\n`, stderr: "" });
    const unknown = run(ROOT, name, "--no-such-option");
    expect(unknown).toMatchObject({ status: 2, stdout: "" });
    expect(unknown.stderr).toMatch(
      new RegExp(`^spendfuse ${name}: .*--no-such-option[^]*See spendfuse ${name} --help`),
    );
  });
});

/** A command that the package does not have. */
const GREET = `import { type Command, defineCommand, usage } from "./command.ts";

export const command: Command = defineCommand({
  name: "greet",
  summary: "greets somebody",
  help: "spendfuse greet NAME: greets",
  options: { loud: { type: "boolean" } },
  positionals: true,
  run: async ({ loud }, [name]) => {
    if (name === undefined) throw usage("greet needs a name");
    console.log(loud ? name.toUpperCase() : name);
    return 0;
  },
});
`;

test("a command is one file and one line", () => {
  for (const path of ["src", "package.json", "config.schema.json"])
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const registry = join(copy, "src/cli/commands/registry.ts");
  writeFileSync(join(copy, "src/cli/commands/greet.ts"), GREET);
  const law = LAWS["a plug-in folder equals its registry"]!;
  expect(law(readTree(copy))).toEqual(['src/cli/commands/registry.ts lacks:   greet: () => import("./greet.ts"),']);
  const line = '  greet: () => import("./greet.ts"),\n};\n';
  writeFileSync(registry, readFileSync(registry, "utf8").replace(/\};\n$/, line));
  expect(law(readTree(copy))).toEqual([]);

  expect(run(copy, "--help").stdout).toMatch(/^ {2}greet +greets somebody$/m);
  expect(run(copy, "greet", "--loud", "ann")).toEqual({ status: 0, stdout: "ANN\n", stderr: "" });
  expect(run(copy, "greet", "--help").stdout).toBe("spendfuse greet NAME: greets\n");
  expect(run(copy, "greet")).toMatchObject({
    status: 2,
    stderr: "spendfuse greet: greet needs a name\nSee spendfuse greet --help.\n",
  });
  expect(run(copy, "greet", "ann", "--lout")).toMatchObject({ status: 2, stdout: "" });
});
