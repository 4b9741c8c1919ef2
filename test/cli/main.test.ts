import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/commands/registry.ts";
import { LAWS } from "../architecture/laws.ts";
import { readTree } from "../architecture/tree.ts";
import { entryPath } from "../entries.ts";

const ROOT = join(import.meta.dirname, "../..");
const copy = mkdtempSync(join(tmpdir(), "spendfuse-cli-"));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function run(root: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [root === ROOT ? entryPath("cli/main") : join(root, "src/cli/main.ts"), ...args],
    {
      encoding: "utf8",
    },
  );
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

  test.each([
    ["dmo", 'unknown command "dmo"; did you mean "demo"?'],
    ["reports", 'unknown command "reports"; did you mean "report"?'],
    ["toString", 'unknown command "toString". Commands: demo, '],
    ["--helo", 'unknown command "--helo"; did you mean "help"?'],
  ])("%s is no command: exit code 2, and the nearest one", (name, text) => {
    const unknown = run(ROOT, name);
    expect(unknown).toMatchObject({ status: 2, stdout: "" });
    expect(unknown.stderr).toContain(text);
  });

  test("help NAME is NAME --help, version is --version", () => {
    expect(run(ROOT, "help", "report").stdout).toBe(run(ROOT, "report", "--help").stdout);
    expect(run(ROOT, "help").stdout).toBe(run(ROOT, "--help").stdout);
    expect(run(ROOT, "help", "reprt")).toMatchObject({ status: 2 });
    expect(run(ROOT, "version").stdout).toBe(run(ROOT, "--version").stdout);
  });

  test.each([
    [["report", "--mnth", "2026-11"], "unknown option --mnth; did you mean --month?"],
    [["breaker", "staus"], 'unknown subcommand "breaker staus"; did you mean "status"?'],
    [["breaker", "x"], 'unknown subcommand "breaker x": use serve, status, trip, reset, log, template'],
    [["breaker", "status", "all"], 'unexpected argument "all": status takes options only'],
    [["budget", "lits"], 'unknown subcommand "budget lits"; did you mean "list"?'],
    [["budget", "raise", "day"], 'budget raise takes BUDGET and AMOUNT, not "day"'],
    [["budget", "pause"], "budget pause takes SCOPE, not nothing"],
    [["budget", "list", "all", "day"], 'budget list takes options only, not "all" "day"'],
    [["monitors", "tst"], 'unknown subcommand "monitors tst"; did you mean "test"?'],
    [["breaker", "trip", "all", "--resaon=x"], "unknown option --resaon; did you mean --reason?"],
    [["report", "--zzzzzz"], "unknown option --zzzzzz\n"],
  ])("%j: one line with the option that may have been meant", (args, text) => {
    const { status, stderr } = run(ROOT, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(text);
    expect(stderr.trim().split("\n")).toHaveLength(2);
  });

  /** What bash offers for the last of the words. */
  function completed(...words: readonly string[]): readonly string[] {
    const program = `source <("$NODE" "$MAIN" completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _spendfuse; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, NODE: process.execPath, MAIN: entryPath("cli/main") };
    const { stdout, stderr } = spawnSync("bash", ["-c", program, "bash", ...words], { encoding: "utf8", env });
    expect(stderr).toBe("");
    return stdout.trim().split("\n");
  }

  test("completion: bash completes commands, their words and their options", () => {
    expect(completed("spendfuse", "de")).toEqual(["demo", "deploy"]);
    expect(completed("spendfuse", "breaker", "tr")).toEqual(["trip"]);
    expect(completed("spendfuse", "report", "--mo")).toEqual(["--month"]);
    expect(completed("spendfuse", "help", "po")).toEqual(["poll"]);
    expect(completed("spendfuse", "completion", "f")).toEqual(["fish"]);
  });

  test("completion: zsh and fish get every command with its summary; another shell is refused", async () => {
    const [zsh, fish] = ["zsh", "fish"].map((shell) => run(ROOT, "completion", shell).stdout);
    for (const load of Object.values(COMMANDS)) {
      const { name, summary } = (await load()).command;
      const text = summary.replaceAll("'", "'\\''");
      expect(zsh).toContain(`'${name}:${text}'`);
      expect(fish).toContain(`-a ${name} -d '${text}'`);
    }
    expect(run(ROOT, "completion", "tcsh")).toMatchObject({ status: 2, stdout: "" });
    expect(run(ROOT, "completion").stderr).toContain("bash, zsh, fish");
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
