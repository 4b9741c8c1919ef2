import { channel } from "node:diagnostics_channel";
import { loadPackage } from "../package.ts";
import { race } from "../race.ts";

/** Fetches what is no model call, bare, and as it is with everything of ours on: `other-fetch.ts METHOD COUNT`. */
const method = String(process.argv[2]);
const count = Number(process.argv[3]);

const ORIGIN = "https://api.example.com";
const PATH = "/v2/customers/1234567/orders?page=2&limit=50";
const RESPONSE = { statusCode: 200, headers: [], statusText: "OK" };

const answer = Promise.resolve(new Response());
const created = channel("undici:request:create");
const answered = channel("undici:request:headers");
const { start, wrapFetch } = await loadPackage();
// From here on there is somebody to whom undici tells of each request.
await start({ telemetry: false, env: {} });

const bare: typeof fetch = () => answer;
const metered = wrapFetch(() => {
  const headers = ["accept", "*/*", "content-type", "application/json"];
  const request = { origin: ORIGIN, path: PATH, method, upgrade: null, headers };
  created.publish({ request });
  answered.publish({ request, response: RESPONSE });
  return answer;
});

async function send(fetch: typeof globalThis.fetch): Promise<void> {
  for (let i = 0; i < count; i++) fetch(ORIGIN + PATH, { method });
}

await race([() => send(bare), () => send(metered)], { warmUp: 20, turns: 60 });
