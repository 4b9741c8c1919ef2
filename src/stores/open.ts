import { SpendfuseError } from "../core/errors.ts";
import * as registry from "./registry.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store that `store` of the configuration names.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` for an address of no kind we know, else what the store itself throws.
 */
export async function openStore(address: string): Promise<Store> {
  const kind = Object.values(registry).find((one) => one.matches(address));
  if (kind !== undefined) return kind.open(address);
  const message = `the store "${address}" is of no known kind: write memory, file:PATH, or redis://HOST:PORT`;
  throw new SpendfuseError("SPENDFUSE_CONFIG", message, { store: address });
}
