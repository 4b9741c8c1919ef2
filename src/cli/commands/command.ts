import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { isSpendfuseError, SpendfuseError } from "../../core/errors.ts";
import { didYouMean, nearest } from "../../core/nearest.ts";

/**
 * A command of `spendfuse`: one file in this folder that exports `command`, and one line in `registry.ts`. `--help` of
 * `spendfuse` loads every such file, so heavy work is loaded by `run`, from a folder of the same name or another room.
 */
export interface Command {
  /** As it is typed, and the name of the file: `deploy`. */
  readonly name: string;
  /** One line in `spendfuse --help`. */
  readonly summary: string;
  /** What `spendfuse NAME --help` prints. */
  readonly help: string;
  /** The long names of its options, without `help`. */
  readonly options: readonly string[];
  /** Resolves to the exit code: 0, 1 when it failed, 2 on invalid usage. */
  run(args: string[]): Promise<number>;
}

/** The values of parsed options, by long name; an option that was not given is undefined. */
export type OptionValues<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options }>
>["values"];

export interface CommandDefinition<Options extends ParseArgsOptionsConfig>
  extends Pick<Command, "name" | "summary" | "help"> {
  /** As `node:util` parses them; `--help` and `-h` are added. */
  readonly options: Options;
  /** Whether words that belong to no option are taken. Default: they are invalid usage. */
  readonly positionals?: boolean;
  /**
   * Resolves to the exit code. A SpendfuseError that it throws is printed on one line: exit code 2 for
   * `SPENDFUSE_USAGE` and `SPENDFUSE_CONFIG`, else 1.
   */
  readonly run: (values: OptionValues<Options>, words: readonly string[]) => Promise<number>;
}

/** Makes a command that parses its options, prints its help and maps errors to exit codes. */
export function defineCommand<const Options extends ParseArgsOptionsConfig>(
  definition: CommandDefinition<Options>,
): Command {
  const { name, summary, help } = definition;
  return { name, summary, help, options: Object.keys(definition.options), run: (args) => runDefined(definition, args) };
}

/** Invalid usage: `message` names the problem and the fix. */
export function usage(message: string): SpendfuseError {
  return new SpendfuseError("SPENDFUSE_USAGE", message);
}

/** A subcommand that a command does not have. */
export function unknownVerb(command: string, verb: string, known: readonly string[]): SpendfuseError {
  return usage(`unknown subcommand "${command} ${verb}"${didYouMean(verb, known) || `: use ${known.join(", ")}`}`);
}

const HELP = { help: { type: "boolean", short: "h" } } as const;

async function runDefined<Options extends ParseArgsOptionsConfig>(
  { name, help, options, positionals = false, run }: CommandDefinition<Options>,
  args: string[],
): Promise<number> {
  try {
    const { values, words } = parse(args, { ...options, ...HELP }, positionals);
    if (values.help === true) {
      console.log(help);
      return 0;
    }
    return await run(values as OptionValues<Options>, words);
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    const invalid = error.code === "SPENDFUSE_USAGE";
    console.error(`spendfuse ${name}: ${error.message}${invalid ? `\nSee spendfuse ${name} --help.` : ""}`);
    return invalid || error.code === "SPENDFUSE_CONFIG" ? 2 : 1;
  }
}

/** What `node:util` says of arguments, in one sentence, with the option that may have been meant. */
function invalidOption(error: unknown, known: readonly string[]): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const name = /^Unknown option '(-[^']*)'/.exec(message)?.[1];
  if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION" || name === undefined) return message;
  const near = nearest(name, known)
    .slice(0, 3)
    .map((one) => `--${one}`);
  return `unknown option ${name}${near.length === 0 ? "" : `; did you mean ${near.join(" or ")}?`}`;
}

function parse(args: string[], options: ParseArgsOptionsConfig, allowPositionals: boolean) {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals });
    return { values, words: positionals };
  } catch (error) {
    throw usage(invalidOption(error, Object.keys(options)));
  }
}
