import { loadPackage } from "../package.ts";
import { race } from "../race.ts";

/** Fetches what is no model call, unmetered and metered: `other-fetch.ts COUNT`. */
const count = Number(process.argv[2]);

const answer = Promise.resolve(new Response());
const bare: typeof fetch = () => answer;
const { wrapFetch } = await loadPackage();
const metered = wrapFetch(bare);

async function get(send: typeof fetch): Promise<void> {
  for (let i = 0; i < count; i++) send("https://api.example.com/v2/customers/1234567/orders?page=2&limit=50");
}

await race([() => get(bare), () => get(metered)], { warmUp: 20, turns: 60 });
