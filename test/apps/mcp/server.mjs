// An MCP server of the SDK's version 1 or 2, over `http`, `sse` or `stdio`; over the first two it prints its address.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";

const [version, transport] = process.argv.slice(2);
const { McpServer } =
  version === "1"
    ? await import("@modelcontextprotocol/sdk/server/mcp.js")
    : await import("@modelcontextprotocol/server");

function makeServer() {
  const server = new McpServer({ name: "paid-tools", version: "1.0.0" });
  const said = (text) => ({ content: [{ type: "text", text }] });
  const inputSchema = version === "1" ? { query: z.string() } : z.object({ query: z.string() });
  server.registerTool("search", { description: "Finds", inputSchema }, async ({ query }) => said(`found ${query}`));
  server.registerTool("scrape", { description: "Reads", inputSchema }, async ({ query }) =>
    said(query.repeat(100_000)),
  );
  server.registerTool("fails", { description: "Fails", inputSchema }, async () => ({
    ...said("sorry"),
    isError: true,
  }));
  server.registerTool("slow", { description: "Waits", inputSchema }, async (_, { signal, mcpReq }) => {
    await pause(60_000, undefined, { signal: signal ?? mcpReq.signal }).catch(() => {});
    return said("late");
  });
  return server;
}

if (transport === "stdio") {
  const { StdioServerTransport } = await (version === "1"
    ? import("@modelcontextprotocol/sdk/server/stdio.js")
    : import("@modelcontextprotocol/server/stdio"));
  await makeServer().connect(new StdioServerTransport());
} else {
  const sessions = new Map();
  const handle = transport === "sse" ? await overSse(sessions) : await overHttp(sessions);
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
}

async function overHttp(sessions) {
  const make =
    version === "1"
      ? (await import("@modelcontextprotocol/sdk/server/streamableHttp.js")).StreamableHTTPServerTransport
      : (await import("@modelcontextprotocol/node")).NodeStreamableHTTPServerTransport;
  return async (request, response) => {
    const id = request.headers["mcp-session-id"];
    let session = sessions.get(id);
    if (session === undefined) {
      session = new make({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (made) => void sessions.set(made, session),
      });
      await makeServer().connect(session);
    }
    await session.handleRequest(request, response);
  };
}

async function overSse(sessions) {
  const { SSEServerTransport } = await import("@modelcontextprotocol/sdk/server/sse.js");
  return async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    if (request.method === "GET") {
      const session = new SSEServerTransport("/messages", response);
      sessions.set(session.sessionId, session);
      await makeServer().connect(session);
    } else await sessions.get(url.searchParams.get("sessionId")).handlePostMessage(request, response);
  };
}
