import { connect, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectSecurely } from "node:tls";
import { openTunnel } from "./user-proxy.ts";

/** A connection to the server of an address, for bytes of our own. @param proxy The user's own, on the way there. */
export async function openConnection({ protocol, hostname, port }: URL, proxy: URL | undefined): Promise<Duplex> {
  const secure = protocol === "https:";
  const host = hostname.replace(/^\[|\]$/g, "");
  const at = Number(port) || (secure ? 443 : 80);
  const tunnel = proxy === undefined ? undefined : await openTunnel(proxy, host, at);
  if (tunnel !== undefined && !secure) return tunnel;
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const socket = secure
    ? connectSecurely({
        host,
        port: at,
        servername: nameOf(host),
        ALPNProtocols: ["http/1.1"],
        ...(tunnel && { socket: tunnel }),
      })
    : connect(at, host);
  socket.setNoDelay(true);
  socket.once(secure ? "secureConnect" : "connect", () => resolve(socket)).once("error", reject);
  return await promise;
}

/** TLS takes no address of IP for a name. */
function nameOf(host: string): string {
  return isIP(host) === 0 ? host : "";
}
