/** Every transport, one line each. */
export { fetch } from "./fetch.ts";
export { undici } from "./undici.ts";
