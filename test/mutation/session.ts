import { BaseSequencer, createVitest, type Reporter, type TestSpecification } from "vitest/node";

/** What a session is asked: to run these files with this mutant on, or with none. */
export interface Order {
  readonly mutant: number;
  readonly files: readonly string[];
}

/** What failed, or undefined when all passed. */
export interface Outcome {
  /** The first test that failed, and why. */
  readonly failed: string | undefined;
  /** Not a test failed, but what runs them: a worker that did not start, an error outside of tests. */
  readonly broken: string | undefined;
}

// A process that keeps vitest and all code that it has transformed; it is ended from outside when a mutant hangs.

const root = process.argv[2] as string;
const setupFiles = process.env.MUTATION_REACH === undefined ? [] : ["test/mutation/reach.ts"];
let failed: string | undefined;
let broken: string | undefined;

/** Of this run alone: vitest remembers the results of those before. */
const reporter: Reporter = {
  onTestCaseResult(test) {
    const { state, errors } = test.result();
    if (state === "failed") failed ??= `${test.fullName}: ${errors[0]?.message}`;
  },
  onTestModuleEnd(module) {
    broken ??= module.errors()[0]?.message;
  },
};

let wanted: readonly string[] = [];

/** The files in the order of the order: those that are most likely to fail come first. */
class AsOrdered extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.sort((a, b) => wanted.indexOf(a.moduleId) - wanted.indexOf(b.moduleId));
  }
}

const vitest = await createVitest(
  "test",
  {
    ...{ root, config: false, include: ["test/**/*.test.ts"], pool: "forks", maxWorkers: 1, testTimeout: 30_000 },
    ...{ watch: false, cache: false, fsModuleCache: false, reporters: [reporter], setupFiles },
    ...{ bail: setupFiles.length > 0 ? 0 : 1, sequence: { sequencer: AsOrdered } },
  },
  { clearScreen: false, logLevel: "silent" },
);
await vitest.globTestSpecifications();

process.on("message", async ({ mutant, files }: Order) => {
  process.env.MUTANT = String(mutant);
  wanted = files;
  failed = undefined;
  broken = undefined;
  const { unhandledErrors } = await vitest.runTestFiles([...files], false);
  broken ??= (unhandledErrors[0] as { readonly message?: string } | undefined)?.message;
  process.send?.({ failed, broken } satisfies Outcome);
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
