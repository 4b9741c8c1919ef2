import type { Server } from "node:http";
import type { Socket } from "node:net";

/** The connections of one address; those without a request in the order in which they became so. */
interface Connections {
  readonly all: Set<Socket>;
  readonly idle: Set<Socket>;
}

/**
 * Limits the connections of each address, so that one address cannot take all that a server may have: with too many, the
 * one that has been without a request for longest is closed, or the new one where all have one. Returns what marks a
 * connection as busy for the rest of its life.
 */
export function limitConnections(server: Server, perAddress: number): (socket: Socket) => void {
  const byAddress = new Map<string, Connections>();

  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const own = byAddress.get(address) ?? { all: new Set(), idle: new Set() };
    byAddress.set(address, own);
    if (own.all.size >= perAddress) {
      const [oldest = socket] = own.idle;
      oldest.destroy();
      own.all.delete(oldest);
      own.idle.delete(oldest);
      if (oldest === socket) return;
    }
    own.all.add(socket);
    own.idle.add(socket);
    socket.on("close", () => {
      own.all.delete(socket);
      own.idle.delete(socket);
      if (own.all.size === 0 && byAddress.get(address) === own) byAddress.delete(address);
    });
  });

  server.on("request", ({ socket }, response) => {
    const own = byAddress.get(socket.remoteAddress ?? "");
    own?.idle.delete(socket);
    response.on("close", () => {
      if (own?.all.has(socket)) own.idle.add(socket);
    });
  });
  return (socket) => void byAddress.get(socket.remoteAddress ?? "")?.idle.delete(socket);
}
