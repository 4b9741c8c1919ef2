import { describe, expect, test } from "vitest";
import { createRouter, type Endpoint, hintOf } from "../../../src/meter/wire/endpoints.ts";

const post = (path: string): Endpoint => ({ method: "POST", path });
const FORMATS = [
  { name: "chat", endpoints: [post("/chat/completions")] },
  { name: "responses", endpoints: [post("/responses"), { method: "GET" as const, path: "/responses/resp_{id}" }] },
  { name: "google", endpoints: [post("/{model}:generateContent")] },
  { name: "converse", endpoints: [post("/model/{model}/converse")] },
];
const findRoute = createRouter(FORMATS);

describe("a request's format by its path", () => {
  test.each([
    ["POST", "/v1/chat/completions", "chat", undefined],
    ["POST", "/openai/deployments/d/chat/completions", "chat", undefined],
    ["GET", "/v1/chat/completions", undefined, undefined],
    ["POST", "/v1/chat/completions/7", undefined, undefined],
    ["POST", "/v1/xchat/completions", undefined, undefined],
    ["POST", "/v1/responses", "responses", undefined],
    ["GET", "/v1/responses/resp_12", "responses", undefined],
    ["GET", "/v1/responses/resp_12/input_items", undefined, undefined],
    ["POST", "/v1/responses/resp_12", undefined, undefined],
    ["POST", "/v1beta/models/gemini-3:generateContent", "google", "gemini-3"],
    ["POST", "/v1beta/models/:generateContent", undefined, undefined],
    ["POST", "/model/anthropic.claude-4%3A0/converse", "converse", "anthropic.claude-4:0"],
    ["POST", "/model/anthropic.claude-4:0/converse", "converse", "anthropic.claude-4:0"],
    ["POST", "/model/a%zz/converse", "converse", "a%zz"],
    ["POST", "/model/a/b/converse", undefined, undefined],
  ])("%s %s: %s, model %s", (method, path, name, model) => {
    const found = findRoute(method, path);
    expect(found?.format.name).toBe(name);
    expect(found?.route.model).toBe(model);
  });
});

describe("the quick check", () => {
  test.each([
    ["https://h/v1/chat/completions?a=b", true],
    ["https://h/v1/responses/resp_1", true],
    ["https://h/v1beta/models/m:generateContent?alt=sse", true],
    ["https://h/model/m/converse", true],
    ["https://h/v1/completions", false],
    ["https://h/v1/responsesx", false],
    ["https://h/chat", false],
    ["https://h/api/v2/users/7", false],
  ])("%s: %s", (url, passes) => {
    expect(hintOf(FORMATS).test(url)).toBe(passes);
  });

  test("does not drop a part that only begins like a shorter one", () => {
    const hint = hintOf([{ endpoints: [post("/chat"), post("/chatty")] }]);
    expect(hint.test("https://h/chatty")).toBe(true);
    expect(hint.test("https://h/chatter")).toBe(false);
  });

  test("asks once where one path contains another", () => {
    expect(hintOf([{ endpoints: [post("/responses"), post("/responses/resp_{id}")] }]).source).toBe("\\/responses\\b");
  });

  test("of no formats finds nothing", () => {
    expect(hintOf([]).test("https://h/v1/chat/completions")).toBe(false);
  });
});
