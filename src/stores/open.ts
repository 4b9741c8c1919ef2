import { SpendfuseError } from "../core/errors.ts";
import { eitherOf, STORE_FORMS, shownStore, storeKindOf } from "./addresses.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store that `store` of the configuration names.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` for an address of no kind we know, else what the store itself throws.
 */
export async function openStore(address: string): Promise<Store> {
  const kind = storeKindOf(address);
  if (kind !== undefined) return kind.open(address);
  const shown = shownStore(address);
  const message = `the store "${shown}" is of no known kind: write ${eitherOf(STORE_FORMS)}`;
  throw new SpendfuseError("SPENDFUSE_CONFIG", message, { store: shown });
}
