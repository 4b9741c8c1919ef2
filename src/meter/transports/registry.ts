/** Every transport, one line each. */
export { fetch } from "./fetch.ts";
export { websocket } from "./websocket.ts";
