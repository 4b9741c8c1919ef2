// Calls tools by the SDK's version 1 or 2, and prints what came of each; it knows nothing of a meter.
const [version, transport, where, ...calls] = process.argv.slice(2);
const base = version === "1" ? "@modelcontextprotocol/sdk/client" : "@modelcontextprotocol/client";
const first = (name) => `${base}/${name}.js`;
const all = await (version === "1" ? import(first("index")) : import(base));

async function makeTransport() {
  if (transport === "stdio") {
    const { StdioClientTransport } = await import(version === "1" ? first("stdio") : `${base}/stdio`);
    const { server, args = [] } = JSON.parse(where);
    return new StdioClientTransport({ command: process.execPath, args: [server, ...args], env: process.env });
  }
  const name = transport === "sse" ? "SSEClientTransport" : "StreamableHTTPClientTransport";
  const made = version === "1" ? await import(first(transport === "sse" ? "sse" : "streamableHttp")) : all;
  return new made[name](new URL(where));
}

async function call(client, name) {
  try {
    if (name === "canceled") {
      const options = { signal: AbortSignal.timeout(300) };
      const request = { name: "slow", arguments: { query: "x" } };
      return await (version === "1" ? client.callTool(request, undefined, options) : client.callTool(request, options));
    }
    const result = await client.callTool({ name, arguments: { query: "größer" } });
    return { isError: result.isError, size: result.content[0].text.length, text: result.content[0].text.slice(0, 60) };
  } catch (error) {
    return { error: error.constructor.name, code: error.code, message: error.message };
  }
}

const client = new all.Client({ name: "asker", version: "1.0.0" });
await client.connect(await makeTransport());
const tools = await client.listTools();
console.log(JSON.stringify(tools.tools.map(({ name }) => name)));
for (const name of calls) {
  const started = Date.now();
  const answer = name.startsWith("5x")
    ? await Promise.all(Array.from({ length: 5 }, () => call(client, name.slice(2))))
    : await call(client, name);
  console.log(JSON.stringify(answer));
  if (Date.now() - started > 10_000) console.log("it hung");
}
await client.close();
process.exit(0);
