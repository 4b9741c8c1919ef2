import { type Command, usage } from "./commands/command.ts";

/** What a shell completes after `spendfuse NAME`: the words and options of a command. */
interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly words: readonly string[];
  readonly options: readonly string[];
}

const SCRIPTS: Readonly<Record<string, (commands: readonly Completed[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** The script that `spendfuse completion SHELL` prints. @throws SpendfuseError `SPENDFUSE_USAGE` for another shell */
export function completionScript(shell: string | undefined, commands: readonly Command[]): string {
  const write = shell !== undefined && Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (write === undefined)
    throw usage(`name a shell: ${Object.keys(SCRIPTS).join(", ")}, as in: source <(spendfuse completion bash)`);
  return write([...commands.map(completedOf), ...OWN]);
}

/** What `main.ts` does itself. */
const OWN: readonly Completed[] = [
  { name: "help", summary: "the help of a command", words: [], options: [] },
  { name: "version", summary: "the version", words: [], options: [] },
  { name: "completion", summary: "completion for a shell", words: Object.keys(SCRIPTS), options: [] },
];

function completedOf({ name, summary, help, options }: Command): Completed {
  // Lines such as `  spendfuse breaker trip SCOPE` name what a command takes.
  const words = [...help.matchAll(new RegExp(`^ *spendfuse ${name} ([a-z]+)\\b`, "gm"))].map(([, word = ""]) => word);
  return { name, summary, words: [...new Set(words)], options: [...options, "help"].map((option) => `--${option}`) };
}

function bashScript(commands: readonly Completed[]): string {
  const names = commands.map(({ name }) => name);
  const cases = commands.map(
    ({ name, words, options }) => `    ${name}) words="${[...words, ...options].join(" ")}" ;;`,
  );
  return `_spendfuse() {
  local words
  case \${COMP_WORDS[1]} in
    help) words="${names.join(" ")}" ;;
${cases.filter((line) => !line.startsWith("    help)")).join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="${names.join(" ")} --help --version"; fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _spendfuse spendfuse`;
}

function zshScript(commands: readonly Completed[]): string {
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`);
  const cases = commands.map(({ name, words, options }) => {
    const all = name === "help" ? commands.map((one) => one.name) : [...words, ...options];
    return `    ${name}) compadd -- ${all.join(" ")} ;;`;
  });
  return `#compdef spendfuse
_spendfuse() {
  local -a commands
  commands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case \${words[2]} in
${cases.join("\n")}
  esac
  _files
}
compdef _spendfuse spendfuse`;
}

function fishScript(commands: readonly Completed[]): string {
  const lines = commands.flatMap(({ name, summary, words, options }) => {
    const after = `complete -c spendfuse -n '__fish_seen_subcommand_from ${name}'`;
    const all = name === "help" ? commands.map((one) => one.name) : words;
    return [
      `complete -c spendfuse -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
      ...(all.length > 0 ? [`${after} -a ${quoted(all.join(" "))}`] : []),
      ...options.map((option) => `${after} -l ${option.slice("--".length)}`),
    ];
  });
  return lines.join("\n");
}

/** In single quotes, as shells take it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
