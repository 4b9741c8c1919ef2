import { join } from "node:path";
import { afterAll, beforeAll, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { frameworkProgram, programsOf } from "../package/programs.ts";
import { BESIDE, install } from "../package/projects.ts";
import { clearStage, meterAll, NODES, type Stage, setStage } from "../package/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage([]);
});
afterAll(() => stage && clearStage(stage));

test.for(BESIDE)("installs and runs beside %s", async (project, context) => {
  await needApp(context, project);
  const dir = await install(project, stage.tarball.path, join(stage.dir, project));
  const programs = [frameworkProgram(project), ...(await programsOf(dir))];
  for (const node of NODES) await meterAll(stage, project, programs, node);
});
