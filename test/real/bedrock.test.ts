import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createRefusalEvent } from "../../src/guard/refusal.ts";
import { bedrockConverse } from "../../src/meter/wire/formats/registry.ts";
import { FRAMINGS } from "../../src/meter/wire/framings.ts";
import { needApp } from "../apps/installed.ts";
import { run } from "../package/processes.ts";
import {
  answerAsBedrock,
  BEDROCK_USAGE,
  type BedrockAnswer,
  type BedrockServer,
  startBedrockServer,
} from "../servers/bedrock-server.ts";

const ROOT = join(import.meta.dirname, "../..");
const NODES = [
  { name: "Node 22.15", app: "node-22", flags: ["--experimental-strip-types"] },
  { name: "Node 24", app: "node-24", flags: [] },
  { name: "Node 26", app: undefined, flags: [] },
] as const;

interface Result {
  readonly client: string;
  readonly which: "whole" | "left" | "cut" | "refused";
  readonly text?: string;
  readonly raised?: string;
  readonly blocked?: string;
  readonly calls: readonly SettledCall[];
}

let server: BedrockServer;
beforeAll(async () => {
  server = await startBedrockServer();
});
afterAll(() => server.close());

const BLOCKED = { reason: "budget", scope: "agent:a", limit: 1, spent: 1, unit: "calls" } as const;
const CUT = FRAMINGS.eventstream.write(createRefusalEvent(BLOCKED, bedrockConverse.refusal));

/** Streams come piece by piece; those of one model are cut behind the first text. */
const answer: BedrockAnswer = (visit, attempt) => {
  const script = answerAsBedrock(visit, attempt);
  if (visit.path.includes("opus")) return { ...script, steps: [...script.steps.slice(0, 3), CUT] };
  return { ...script, steps: script.steps.flatMap((step) => [step, { pause: 5 }]) };
};

function isRight({ which, text, raised, blocked, calls }: Result): boolean {
  const [call, ...others] = calls;
  if (call === undefined || others.length > 0) return false;
  if (which === "refused") return call.ending === "blocked" && raised !== undefined && blocked === "budget";
  if (which === "cut") return call.ending === "failed" && raised !== undefined && blocked === "budget";
  if (which === "left") return text !== "" && call.ending === "canceled" && call.quality === "estimated";
  const { input, output, cacheRead, cacheWrite } = call.usage ?? {};
  const isExact = JSON.stringify({ input, output, cacheRead, cacheWrite }) === JSON.stringify(BEDROCK_USAGE);
  return text === "Hello, how are you?" && call.ending === "completed" && isExact && call.priced === "true";
}

test.for(NODES)(
  "Bedrock's clients over fetch on $name",
  { timeout: 600_000 },
  async ({ name, app, flags }, context) => {
    const node =
      app === undefined
        ? process.execPath
        : join(await needApp(context, app, { scripts: true }), "node_modules/node/bin/node");
    const cwd = await needApp(context, "bedrock");
    const folder = mkdtempSync(join(tmpdir(), "spendfuse-bedrock-"));
    const program = join(cwd, `${process.pid}-clients.mjs`);
    copyFileSync(join(ROOT, "test/apps/bedrock/clients.mjs"), program);
    server.play(answer);
    try {
      const register = pathToFileURL(join(ROOT, "src/register.ts")).href;
      const out = await run(node, [...flags, "--no-warnings", "--import", register, program], {
        cwd,
        env: {
          NODE_ENV: undefined,
          SPENDFUSE_TEST_INDEX: pathToFileURL(join(ROOT, "src/index.ts")).href,
          SPENDFUSE_STATE_DIR: folder,
          SPENDFUSE_QUIET: "1",
          SPENDFUSE_CONFIG: JSON.stringify({
            hosts: [{ host: server.host, provider: "aws.bedrock" }],
            budgets: [{ scope: { agent: "refused" }, per: "hour", usd: 0.000_001 }],
          }),
          BEDROCK_URL: server.url,
        },
      });
      const results = JSON.parse(out.trim().split("\n").at(-1) ?? "[]") as readonly Result[];
      const wrong = results.filter((result) => !isRight(result));
      console.log(`Bedrock over fetch, ${name}: ${results.length - wrong.length} of ${results.length} cases right`);
      expect(wrong).toEqual([]);
      expect(results.length).toBe(30);
      const refused = results.filter(({ which }) => which === "refused").length;
      expect(server.visits).toHaveLength(results.length - refused);
    } finally {
      rmSync(program, { force: true });
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
