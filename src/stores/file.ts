import { faultOfPlace } from "./file/place.ts";
import type { StoreKind } from "./store.ts";

const SCHEME = "file:";

/**
 * A SQLite file that the processes of one host share. Writes survive the death of every process; a crash of the machine
 * itself may lose the last ones.
 */
export const file: StoreKind = {
  name: "file",
  form: "file:PATH",
  pattern: /^file:./,
  example: "file:/var/lib/app/spendfuse.db",
  reach: "host",
  look: (address, folder) => faultOfPlace(folder, address.slice(SCHEME.length)),
  open: async (address) => (await import("./file/store.ts")).openFile(address.slice(SCHEME.length)),
};
