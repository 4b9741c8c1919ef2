import { loadPackage } from "../package.ts";
import { serveTurns } from "../turns.ts";

/** Fetches what is no model call: `other-fetch.ts bare|metered COUNT`. */
const [how, count] = process.argv.slice(2);

const answer = Promise.resolve(new Response());
globalThis.fetch = () => answer;
if (how === "metered") await (await loadPackage()).start();

serveTurns(async () => {
  for (let i = 0; i < Number(count); i++) fetch("https://api.example.com/v2/customers/1234567/orders?page=2&limit=50");
});
