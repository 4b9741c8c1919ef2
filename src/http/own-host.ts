import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** Whether an address or name is of this machine alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * Why a request for a server on loopback is refused: it comes from a web page. A page can have its own name resolved to
 * this machine, which its requests then carry as their host; undefined for all others.
 * @param names Further hosts that are ours, as they were configured.
 */
export function foreignHost(request: IncomingMessage, names: readonly string[] = []): string | undefined {
  const { host = "", origin } = request.headers;
  for (const authority of origin === undefined ? [host] : [host, origin.replace(/^\w+:\/\//, "")]) {
    const name = nameOf(authority);
    if (name === undefined || !(isLoopback(name) || names.includes(name))) return authority || "no host";
  }
  return undefined;
}

/** The name in `name:port`, in lower case; undefined when it is none. */
function nameOf(authority: string): string | undefined {
  const found = /^(?:\[([^\]]+)\]|([^:/@]+))(?::\d{1,5})?$/.exec(authority.toLowerCase());
  if (found === null) return undefined;
  const [, six, name] = found;
  if (six !== undefined) return isIP(six) === 6 ? six : undefined;
  return name?.replace(/\.$/, "");
}
