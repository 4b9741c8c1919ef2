import { createServer } from "node:net";
import { expect, test } from "vitest";
import { gatherFacts } from "../../src/doctor/facts.ts";
import { askAll, whatFailed } from "../../src/doctor/question.ts";
import { examine, questionsOf } from "../../src/doctor/run-checks.ts";
import { appOf } from "./stage.ts";

/** What is told of a machine without a way out. */
const NO_WAY_OUT = ["ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "ENETDOWN"];
const SITES = ["", "datadoghq.com", "datadoghq.eu", "us5.datadoghq.com"];

test.each(NO_WAY_OUT.flatMap((code) => SITES.map((site) => [code, site] as const)))(
  "%s with the keys of site %j is no network, and never a wrong site",
  (code, site) => {
    const dir = appOf({ "package.json": "{}" });
    const facts = gatherFacts(dir, { SPENDFUSE_CONFIG: "{}", DD_API_KEY: "k", ...(site && { DD_SITE: site }) });
    const asked = questionsOf(facts);
    expect(asked.map(({ id }) => id)).toEqual(expect.arrayContaining(["otlp", "datadog-key"]));
    const answers = new Map(asked.map(({ id }) => [id, { failure: whatFailed(code) }]));
    const findings = examine(facts, answers).filter(({ id }) => /unreachable/.test(id));
    expect(findings.map(({ id }) => id).sort()).toEqual(["datadog-unreachable", "endpoint-unreachable"]);
    for (const { says, fix } of findings) {
      expect(says).toContain(`no network here`);
      expect(says).toContain(`(${code})`);
      expect(fix).toMatch(/^curl /);
    }
  },
);

test("a port where nothing listens is told in words", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const answers = await askAll([{ id: "a", kind: "http", url: `http://127.0.0.1:${port}/` }]);
  expect(answers.get("a")).toEqual({ failure: "nothing listens there (ECONNREFUSED)" });
});
