import type { Asset } from "./assets.ts";
import type { Fault, Lint } from "./lints/lint.ts";
import * as registry from "./lints/registry.ts";

/** A fault, its file, and the lint that found it. */
export interface Finding extends Fault {
  readonly file: string;
  readonly lint: string;
}

export const LINTS: readonly Lint[] = Object.values(registry);

/** Runs every lint on an asset. @param own Whether it is one of ours, which keeps our style as well */
export function lintAsset(asset: Asset, own = true): readonly Finding[] {
  const { kind, file } = asset;
  return LINTS.filter(({ kinds, style }) => kinds.includes(kind) && (own || !style)).flatMap(({ name, check }) =>
    [...check(asset)].filter(({ style }) => own || !style).map((fault) => ({ ...fault, file, lint: name })),
  );
}

export function lintAssets(assets: readonly Asset[], own = true): readonly Finding[] {
  return assets.flatMap((asset) => lintAsset(asset, own));
}
