import { request } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { type Stage, startStage } from "./stage.ts";

let vendor: ModelServer;
let stage: Stage | undefined;
beforeAll(async () => {
  vendor = await startModelServer();
});
afterAll(() => vendor.close());
afterEach(async () => {
  await stage?.close();
  stage = undefined;
});

/** The status of an answer to a request with exactly these headers. */
function statusOf(url: string, headers: Record<string, string>, method = "POST"): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.on("error", reject).end();
  });
}

describe("on this machine", () => {
  test.each([
    ["an agent program", {}, 200],
    ["its name", { host: "localhost:4321" }, 200],
    ["a page", { origin: "https://evil.example" }, 403],
    ["a page of this machine", { origin: "http://localhost:3000" }, 403],
    ["a page without an origin", { "sec-fetch-site": "cross-site" }, 403],
    ["a page whose name leads here", { host: "evil.example" }, 403],
    ["Node's own fetch", { "sec-fetch-mode": "cors" }, 200],
  ])("%s", async (_name, headers, status) => {
    stage = await startStage(vendor.url);
    vendor.play({ steps: ["{}"] });
    expect(await statusOf(`${stage.proxy.url}/openai/v1/models`, headers)).toBe(status);
    expect(vendor.visits).toHaveLength(status === 200 ? 1 : 0);
    expect(await statusOf(`${stage.proxy.url}/healthz`, headers, "GET")).toBe(status);
  });

  test("there is nothing but the APIs", async () => {
    stage = await startStage(vendor.url);
    vendor.play({ steps: ["{}"] });
    expect(await statusOf(`${stage.proxy.url}/http://other.example/`, {})).toBe(404);
    expect(await statusOf(`${stage.proxy.url}/`, {})).toBe(404);
    expect(vendor.visits).toEqual([]);
  });
});

describe("with a token", () => {
  test.each([
    ["without it", "", {}, 401],
    ["another", "", { "x-spendfuse-token": "x" }, 401],
    ["another in the path", "/token/x", {}, 401],
    ["in a header", "", { "x-spendfuse-token": "secret/1" }, 200],
    ["in the path", "/token/secret%2F1", {}, 200],
    ["in the path, with an agent", "/token/secret%2F1/agent/a", {}, 200],
  ])("%s", async (_name, prefix, headers, status) => {
    stage = await startStage(vendor.url, {}, { token: "secret/1" });
    vendor.play({ steps: ["{}"] });
    expect(await statusOf(`${stage.proxy.url}${prefix}/openai/v1/models`, headers as Record<string, string>)).toBe(
      status,
    );
    expect(vendor.visits.map(({ headers: sent }) => sent["x-spendfuse-token"])).toEqual(
      status === 200 ? [undefined] : [],
    );
  });

  test("other machines need one", async () => {
    await expect(startStage(vendor.url, {}, { host: "0.0.0.0" })).rejects.toMatchObject({ code: "SPENDFUSE_CONFIG" });
    stage = await startStage(vendor.url, {}, { host: "0.0.0.0", token: "secret" });
    vendor.play({ steps: ["{}"] });
    const at = stage.proxy.url.replace("0.0.0.0", "127.0.0.1");
    expect(await statusOf(`${at}/openai/v1/models`, { host: "proxy.internal" })).toBe(401);
    expect(await statusOf(`${at}/token/secret/openai/v1/models`, { host: "proxy.internal" })).toBe(200);
  });
});
