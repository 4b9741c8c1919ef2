import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MeteredRow } from "../../src/core/metered.ts";
import { hashKey } from "../../src/meter/identity/api-key.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { answer, chat, type Guarded, guard, MODEL } from "../guard/guarded.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-journal-"));
let server: ModelServer;
let path: string;
let open: Guarded[] = [];

beforeAll(async () => {
  server = await startModelServer();
});
beforeEach(() => {
  path = join(folder, `${Math.random()}.db`);
});
afterEach(async () => {
  await Promise.all(open.map((one) => one.stop()));
  open = [];
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function metered(): Promise<readonly MeteredRow[]> {
  const store = await openFile(path);
  const rows = await store.metered(0, Number.MAX_SAFE_INTEGER);
  await store.close();
  return rows;
}

async function process(mode?: "off"): Promise<Guarded> {
  const one = await guard(server, { store: `file:${path}`, ...(mode && { mode }) });
  open.push(one);
  return one;
}

describe("what a process has metered outlives it", () => {
  test.each([undefined, "off" as const])("by agent, key, model and day, mode %s", async (mode) => {
    server.play(answer(100, 20));
    const [one, two] = [await process(mode), await process(mode)];
    await chat(one, server.url, { agent: "researcher" });
    await chat(one, server.url, { agent: "researcher" });
    await chat(two, server.url, { agent: "writer" });
    await chat(two, server.url, { agent: "researcher" });
    await Promise.all([one.runtime.flush(), two.runtime.flush()]);
    const rows = await metered();
    const group = { provider: "openai", model: MODEL, key: hashKey("sk-test"), quality: "reported", priced: "true" };
    expect(rows).toHaveLength(2);
    expect(rows).toContainEqual(
      expect.objectContaining({
        ...group,
        agent: "researcher",
        calls: 3,
        cost: 360_000,
        inputUncached: 300,
        output: 60,
      }),
    );
    expect(rows).toContainEqual(expect.objectContaining({ ...group, agent: "writer", calls: 1, cost: 120_000 }));
  });

  test("also what came after it was written: a total replaces the one before it", async () => {
    server.play(answer(100, 20));
    const one = await process();
    for (let call = 1; call <= 3; call++) {
      await chat(one, server.url);
      await one.runtime.flush();
      expect(await metered()).toEqual([expect.objectContaining({ calls: call, cost: call * 120_000 })]);
    }
  });

  test("calls that the vendor refused are no calls of its bill", async () => {
    server.play({ status: 400, headers: { "content-type": "application/json" }, steps: ['{"error":{}}'] });
    const one = await process();
    await chat(one, server.url);
    await one.runtime.flush();
    expect(await metered()).toEqual([]);
  });

  test("also when the process exits at once", async () => {
    server.play(answer(7, 1));
    const program = `
      import { flush, start, scope } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
      await start({ telemetry: false, env: {}, config: { store: ${JSON.stringify(`file:${path}`)}, hosts: [{ host: ${JSON.stringify(server.host)}, like: "api.openai.com" }] } });
      const call = () => scope({ agent: "late" }, () => fetch(${JSON.stringify(`${server.url}/v1/chat/completions`)}, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "gpt-5", messages: [] }) }));
      await (await call()).json();
      // By then the store is open.
      await flush();
      await (await call()).json();
      process.exit(0);
    `;
    await promisify(execFile)(globalThis.process.execPath, ["--no-warnings", "--input-type=module", "-e", program]);
    expect(await metered()).toEqual([
      expect.objectContaining({ agent: "late", calls: 2, inputUncached: 14, output: 2 }),
    ]);
  });
});
