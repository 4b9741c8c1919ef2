import type { CallMeter } from "../call/call-meter.ts";
import type { Transport } from "./transport.ts";

/** What we install in the process and remove again. */
export interface Installation {
  /** Does nothing if it is installed already, by this or another copy of the package. */
  install(): void;
  remove(): void;
}

/** `listeners` begin when the hooks are in place; each returns what ends it. */
export function createInstallation(
  meter: CallMeter,
  transports: readonly Transport[],
  listeners: readonly (() => () => void)[],
): Installation {
  const connections = transports.map((transport) => transport.connect(meter, () => !meter.isOff(transport.name)));
  let leave: readonly (() => void)[] = [];

  return {
    install() {
      const ours = connections.map((connection) => connection.install());
      if (leave.length === 0 && ours.includes(true)) leave = listeners.map((listen) => listen());
    },
    remove() {
      for (const connection of connections) connection.remove();
      for (const step of leave) step();
      leave = [];
    },
  };
}
