import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import type { Project } from "./projects.ts";

/** One way to run an app with us in it. */
export interface Program {
  readonly name: string;
  /** Arguments of node, run in the project's directory. */
  readonly args: readonly string[];
  /** Where it runs when that is not the project's own directory. */
  readonly dir?: string;
  /** The app sets its agent itself; otherwise it has the one of SPENDFUSE_AGENT. */
  readonly scoped: boolean;
  /** The app has an OpenTelemetry of its own, which gets all; it checks that itself. */
  readonly own?: boolean;
  /** Whose prices the models of the app have: OpenAI's unless said. */
  readonly provider?: string;
  readonly code?: number;
}

const REGISTER = "spendfuse/register";

/** Every way to load us; the bundles are made here, and run where there is no node_modules. */
export async function programsOf(dir: string): Promise<readonly Program[]> {
  const bare = `${dir}-bundles`;
  mkdirSync(bare, { recursive: true });
  await bundle(join(dir, "imports.mjs"), join(bare, "bundle.mjs"), "esm");
  await bundle(join(dir, "requires.cjs"), join(bare, "bundle.cjs"), "cjs");
  cpSync(join(bare, "bundle.mjs"), join(dir, "bundle.mjs"));
  return [
    {
      name: "ESM, --import register",
      args: ["--import", REGISTER, "--import", "./report-preload.mjs", "plain.mjs"],
      scoped: false,
    },
    {
      name: "CJS, --require register",
      args: ["--require", REGISTER, "--require", "./report-preload.cjs", "plain.cjs"],
      scoped: false,
    },
    { name: "ESM, imports spendfuse", args: ["imports.mjs"], scoped: true },
    { name: "CJS, requires spendfuse", args: ["requires.cjs"], scoped: true },
    { name: "a copy that is imported and one that is required", args: ["twins.mjs"], scoped: true },
    { name: "ESM bundle with spendfuse in it", args: ["bundle.mjs"], dir: bare, scoped: true },
    { name: "CJS bundle with spendfuse in it", args: ["bundle.cjs"], dir: bare, scoped: true },
    {
      name: "--import register and a bundle with a second copy",
      args: ["--import", REGISTER, "bundle.mjs"],
      scoped: true,
    },
    {
      name: "process.exit with nothing exported yet",
      args: ["--import", REGISTER, "exits.mjs"],
      scoped: false,
      code: 3,
    },
    {
      name: "--require register, process.exit with nothing exported yet",
      args: ["--require", REGISTER, "exits.mjs"],
      scoped: false,
      code: 3,
    },
  ];
}

/** Jest, whose test files have a realm and a module registry each; alone, and with us in the process around them. */
export function jestPrograms(dir: string): readonly Program[] {
  const jest = ["node_modules/jest/bin/jest.js", "--ci", "--runInBand"];
  const modules = "--experimental-vm-modules";
  return [
    { name: "Jest, CJS", args: [...jest, "commonjs"] },
    { name: "Jest, ESM", args: [modules, ...jest, "esm"] },
    { name: "--import register and Jest, CJS", args: ["--import", REGISTER, ...jest, "commonjs"] },
    { name: "--require register and Jest, ESM", args: ["--require", REGISTER, modules, ...jest, "esm"] },
  ].map((program) => ({ ...program, dir, scoped: true }));
}

/** The program that uses the framework itself. */
export function frameworkProgram(project: Project): Program {
  const file = project === "dd-trace" ? "dd-trace.cjs" : `${project}.mjs`;
  return {
    name: `${project}'s own`,
    args: ["--import", REGISTER, file],
    scoped: true,
    own: project === "otel-2",
    ...(project === "mistral" && { provider: "mistral_ai" }),
  };
}

async function bundle(entry: string, outfile: string, format: "esm" | "cjs"): Promise<void> {
  await build({ entryPoints: [entry], outfile, format, bundle: true, platform: "node", logLevel: "error" });
}
