/** Every transport, one line each. */
export { childProcess } from "./child-process.ts";
export { fetch } from "./fetch.ts";
