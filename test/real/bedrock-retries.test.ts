import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { run } from "../package/processes.ts";
import {
  answerAsBedrock,
  BEDROCK_USAGE,
  type BedrockAnswer,
  type BedrockServer,
  json,
  startBedrockServer,
} from "../servers/bedrock-server.ts";

const ROOT = join(import.meta.dirname, "../..");
const url = (path: string): string => pathToFileURL(join(ROOT, path)).href;

interface Seen {
  readonly text?: string;
  readonly raised?: string;
  readonly attempts?: number;
}
interface Played {
  readonly seen: Readonly<Record<string, Seen>>;
  readonly calls: readonly {
    readonly ending: string;
    readonly model: string;
    readonly usage?: { readonly input: number };
  }[];
  readonly visits: readonly string[];
}

let server: BedrockServer;
beforeAll(async () => {
  server = await startBedrockServer();
});
afterAll(() => server.close());

const error = (status: number, type: string) => json({ message: type }, { "x-amzn-errortype": type }, status);
/** What a model's name has its first answers be; the last one of `always` goes on. */
const FAILURES: Readonly<Record<string, readonly ReturnType<typeof error>[]>> = {
  throttled: [error(429, "ThrottlingException"), error(429, "ThrottlingException")],
  broken: [error(500, "InternalServerException")],
  late: [error(503, "ServiceUnavailableException"), error(424, "ModelErrorException")],
  always: Array.from({ length: 9 }, () => error(429, "ThrottlingException")),
};

/** Each request for a model and an operation, in turn. */
function failing(): BedrockAnswer {
  const counts = new Map<string, number>();
  return (visit, attempt) => {
    const count = counts.get(visit.path) ?? 0;
    counts.set(visit.path, count + 1);
    const [name = ""] = decodeURIComponent(visit.path.split("/")[2] ?? "").split(".");
    return FAILURES[name]?.[count] ?? answerAsBedrock(visit, attempt);
  };
}

async function play(context: TestContext, metered: boolean, retryMode: string): Promise<Played> {
  const cwd = await needApp(context, "bedrock");
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-retries-"));
  const program = join(cwd, `${process.pid}-retries.mjs`);
  copyFileSync(join(ROOT, "test/real/bedrock/retries.mjs"), program);
  server.play(failing());
  const [collected, seen] = [join(folder, "calls.json"), join(folder, "seen.json")];
  const ours = metered ? [url("src/register.ts"), url("test/real/frameworks/collect.mjs")] : [];
  try {
    await run(process.execPath, ["--no-warnings", ...ours.flatMap((path) => ["--import", path]), program, retryMode], {
      cwd,
      env: {
        SPENDFUSE_TEST_INDEX: url("src/index.ts"),
        SPENDFUSE_STATE_DIR: folder,
        SPENDFUSE_QUIET: "1",
        SPENDFUSE_CONFIG: JSON.stringify({ hosts: [{ host: server.host, provider: "aws.bedrock" }] }),
        BEDROCK_URL: server.url,
        COLLECTED: collected,
        SEEN: seen,
      },
    });
    return {
      seen: JSON.parse(readFileSync(seen, "utf8")),
      calls: metered ? JSON.parse(readFileSync(collected, "utf8")) : [],
      visits: server.visits.map(({ path }) => path),
    };
  } finally {
    rmSync(program, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

test.for(["standard", "adaptive"])(
  "each attempt of the AWS SDK is a call of its own: %s",
  async (retryMode, context) => {
    const bare = await play(context, false, retryMode);
    const { seen, calls, visits } = await play(context, true, retryMode);
    expect(seen).toEqual(bare.seen);
    expect(visits).toEqual(bare.visits);
    expect(calls).toHaveLength(visits.length);
    const completed = calls.filter(({ ending }) => ending === "completed");
    const answered = Object.values(seen).filter(({ text }) => text !== undefined);
    console.log(
      `AWS SDK, ${retryMode}: ${calls.length} calls of ${visits.length} requests, ${completed.length} of ${answered.length} answered`,
    );
    expect(answered.length).toBeGreaterThan(9);
    expect(completed).toHaveLength(answered.length);
    for (const { usage } of completed) expect(usage).toMatchObject(BEDROCK_USAGE);
    expect(calls.filter(({ ending }) => ending === "failed")).toHaveLength(visits.length - answered.length);
  },
);
