import type { Asset } from "./assets.ts";
import type { Fault, Lint } from "./lints/lint.ts";
import * as registry from "./lints/registry.ts";

/** A fault, its file, and the lint that found it. */
export interface Finding extends Fault {
  readonly file: string;
  readonly lint: string;
}

export const LINTS: readonly Lint[] = Object.values(registry);

/** Runs every lint on an asset. */
export function lintAsset(asset: Asset): readonly Finding[] {
  const { kind, file } = asset;
  return LINTS.filter(({ kinds }) => kinds.includes(kind)).flatMap(({ name, check }) =>
    [...check(asset)].map((fault) => ({ ...fault, file, lint: name })),
  );
}

export function lintAssets(assets: readonly Asset[]): readonly Finding[] {
  return assets.flatMap(lintAsset);
}
