import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { startNext, untilArrived } from "../package/leftovers.ts";
import { run } from "../package/processes.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";

const REGISTER = pathToFileURL(join(import.meta.dirname, "../../src/register.ts")).href;
const UNMETERED = "spendfuse.unmetered_calls";
const QUOTA = 8;
const CANCELED = 1;

let receiver: OtlpReceiver;
beforeAll(async () => {
  receiver = await startOtlpReceiver();
});
afterAll(() => receiver.close());

async function play(context: TestContext, ours: boolean): Promise<unknown> {
  const cwd = await needApp(context, "grpc");
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-app-"));
  const program = join(cwd, `${process.pid}-app.mjs`);
  copyFileSync(join(import.meta.dirname, "grpc/app.mjs"), program);
  const env = {
    NODE_ENV: undefined,
    SEEN: join(folder, "seen.json"),
    SPENDFUSE_STATE_DIR: folder,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  try {
    await run(process.execPath, ["--no-warnings", ...(ours ? ["--import", REGISTER] : []), program], { cwd, env });
    if (ours)
      await untilArrived(
        folder,
        () => receiver.total(UNMETERED) > 0,
        () => startNext(env as never),
      );
    return JSON.parse(readFileSync(env.SEEN, "utf8"));
  } finally {
    rmSync(program, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

test("calls by gRPC are as without us, and counted as unmetered by host", async (context) => {
  const bare = await play(context, false);
  expect(bare).toEqual([
    "asked, kept",
    { code: QUOTA, details: "quota" },
    { code: 0, pieces: ["one", "two", "three"], trailer: ["sent"] },
    { code: CANCELED, pieces: "one", trailer: [] },
  ]);
  expect(await play(context, true)).toEqual(bare);
  expect(receiver.points(UNMETERED)).toMatchObject([{ tags: { api_host: "aiplatform.googleapis.com" }, value: 4 }]);
  expect(receiver.total("spendfuse.calls")).toBe(0);
  console.log(`gRPC: ${receiver.total(UNMETERED)} of 4 calls counted, as without us`);
});
