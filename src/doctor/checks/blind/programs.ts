import { placeOf, type SourceFile } from "../../facts/sources.ts";
import { type Facts, settingOf, subjectOf, usedOf } from "../../facts.ts";
import { note, ok, type Remark } from "../../finding.ts";
import { AGENT_PROGRAMS, type AgentProgram, PAST_THE_PROXY, STARTERS } from "../../tables/programs.ts";

const OFF = "child-process";

/** Agent programs that the app starts, and how their calls are metered. */
export function* programsOf(facts: Facts): Generator<Remark> {
  for (const program of AGENT_PROGRAMS) {
    const packages = program.packages.flatMap((name) => usedOf(facts, name)).map((name) => subjectOf(facts, name));
    const places = facts.sources.files.flatMap((file) => startIn(program, file) ?? []);
    for (const subject of [...packages, ...places]) yield remarkOf(facts, program, subject);
    for (const [script, command] of Object.entries(facts.manifest?.scripts ?? {})) {
      const bare = bareStart(program, command);
      if (bare === undefined) continue;
      const says = `${program.name} is started without spendfuse: its calls are not metered`;
      yield note("program-unmetered", `package.json, script "${script}"`, says, `"${script}": "${escaped(bare)}"`);
    }
  }
}

function remarkOf(facts: Facts, { name, commands: [command = ""] }: AgentProgram, subject: string): Remark {
  if (facts.configuration.config.transportsOff?.includes(OFF)) {
    const says = `${name} is a program of its own, and "${OFF}" is in transportsOff: its calls are not metered`;
    return note("program-unmetered", subject, says, '"transportsOff": []');
  }
  const past = command === "claude" ? PAST_THE_PROXY.find((variable) => isOn(settingOf(facts, variable))) : undefined;
  if (past !== undefined) {
    const says = `${past} is set: its calls go to that cloud, past spendfuse's proxy, and are not metered`;
    return note("program-unmetered", subject, says, `unset ${past}`);
  }
  const whose = "in the scope that starts it, through a proxy inside the app";
  return ok("program-metered", subject, `${name}, a program of its own: its calls are metered ${whose}`);
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !/^(?:0|false|no|off)?$/i.test(value);
}

/** A call that starts a program, up to one of its arguments; or the tag of a template that does. */
const CALL = /(?:spawn|exec|\bx\b|\$)\w*\s*(?:\(\s*|\([^()]*[[,]\s*)?$/;
const FIRST = /(?:\(\s*|\$)$/;
const SHELL_OPTION = /^-l?c$/;

/** Where a file starts the program. A text among arguments is a command only where it is that alone, or a shell's. */
function startIn({ commands }: AgentProgram, file: SourceFile): string | undefined {
  const { imports, literals, code } = file;
  if (!imports.some(({ name }) => STARTERS.test(name))) return undefined;
  const found = literals.find(({ text, at }, index) => {
    const words = text.trim().split(/\s+/);
    if (!commands.includes(programName(words[0] ?? ""))) return false;
    const before = code.slice(Math.max(0, at - 200), at);
    if (!CALL.test(before)) return false;
    return words.length === 1 || FIRST.test(before) || SHELL_OPTION.test(literals[index - 1]?.text ?? "");
  });
  return found && placeOf(file, found.at);
}

function programName(path: string): string {
  return (path.split(/[\\/]/).at(-1) as string).replace(/\.(?:exe|cmd)$/i, "");
}

/** A script that starts the program by itself, as it should be. */
function bareStart({ commands }: AgentProgram, command: string): string | undefined {
  const start = new RegExp(`(^|&&\\s*|\\|\\|\\s*|;\\s*)((?:npx\\s+(?:-y\\s+)?)?(?:${commands.join("|")})(?=\\s|$))`);
  return start.test(command) ? command.replace(start, "$1spendfuse run -- $2") : undefined;
}

function escaped(command: string): string {
  return command.replaceAll('"', '\\"');
}
