/** Every transport, one line each. */
export { fetch } from "./fetch.ts";
