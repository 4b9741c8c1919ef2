import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** A TCP proxy that delays what passes. */
export interface SlowProxy {
  readonly port: number;
  /** Milliseconds of a round trip. */
  delay(ms: number): void;
  close(): Promise<void>;
}

export async function startSlowProxy(target: number, roundTripMs: number): Promise<SlowProxy> {
  let delayMs = roundTripMs / 2;
  const sockets = new Set<Socket>();

  function pass(from: Socket, to: Socket): void {
    let last = Promise.resolve();
    from.on("data", (bytes) => {
      const due = wait(delayMs);
      last = last.then(() => due).then(() => void to.write(bytes));
    });
    from.on("close", () => void last.then(() => to.destroy()));
    from.on("error", () => {});
  }

  const server = createServer((socket) => {
    // The handshake of TCP takes a round trip as well.
    const other = connect(target, "127.0.0.1");
    for (const one of [socket, other]) sockets.add(one.setNoDelay(true));
    pass(socket, other);
    pass(other, socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    delay(ms) {
      delayMs = ms / 2;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
