import { spawn } from "node:child_process";

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Exit code that is expected; any other is an error. */
  readonly code?: number;
  /** Only against a program that hangs. */
  readonly timeoutMs?: number;
}

/** What `npm test` says to the npm inside it, and a user's telemetry: both stay out. */
const LEFT_OUT =
  /^(npm_(config_(local_prefix|global_prefix|prefix|save_exact)|package_|lifecycle_)|INIT_CWD$|OTEL_|DD_|SPENDFUSE_|NODE_OPTIONS$|VITEST)/i;

/** Runs a program to its end and gives its standard output. */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { cwd, env = {}, code: expected = 0, timeoutMs = 240_000 } = options;
  const inherited = Object.entries(process.env).filter(([name]) => !LEFT_OUT.test(name));
  const child = spawn(command, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === expected) resolve(out);
      else
        reject(
          new Error(
            `${command} ${args.join(" ")} ended with ${code ?? signal}\n${out.slice(-2_000)}\n${err.slice(-4_000)}`,
          ),
        );
    });
  });
}
