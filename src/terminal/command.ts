import { isSpendfuseError, SpendfuseError } from "../core/errors.ts";

/** A command of `spendfuse` with options of its own. */
export interface CommandLine<Values extends { readonly help?: boolean | undefined }> {
  /** As it is typed: `deploy`. */
  readonly name: string;
  readonly help: string;
  /** Reads the arguments. @throws when they are none of its own */
  readonly read: (args: string[]) => Values;
  /** Resolves to the exit code. */
  readonly run: (values: Values) => Promise<number>;
}

/** Runs a command: 0, 1 when it failed, 2 when it was called wrongly; what went wrong is said in a line. */
export async function runCommand<Values extends { readonly help?: boolean | undefined }>(
  { name, help, read, run }: CommandLine<Values>,
  args: string[],
): Promise<number> {
  let values: Values;
  try {
    values = read(args);
  } catch (error) {
    console.error(`spendfuse ${name}: ${(error as Error).message}\n\n${help}`);
    return 2;
  }
  if (values.help) {
    console.log(help);
    return 0;
  }
  try {
    return await run(values);
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    console.error(`spendfuse ${name}: ${error.message}`);
    return error.code === "SPENDFUSE_USAGE" || error.code === "SPENDFUSE_CONFIG" ? 2 : 1;
  }
}

/** A wrong call, and how it must be. */
export function usage(message: string): SpendfuseError {
  return new SpendfuseError("SPENDFUSE_USAGE", message);
}
