import type { Asset } from "./assets.ts";
import type { Fault, Lint } from "./lints/lint.ts";
import * as registry from "./lints/registry.ts";

/** A fault, in which file, and which lint found it. */
export interface Finding extends Fault {
  readonly file: string;
  readonly lint: string;
}

export const LINTS: readonly Lint[] = Object.values(registry);

/** What is wrong with an asset, as far as a look at its file tells. */
export function lintAsset(asset: Asset): readonly Finding[] {
  const { kind, file } = asset;
  return LINTS.filter(({ kinds }) => kinds.includes(kind)).flatMap(({ name, check }) =>
    [...check(asset)].map((fault) => ({ ...fault, file, lint: name })),
  );
}

export function lintAssets(assets: readonly Asset[]): readonly Finding[] {
  return assets.flatMap(lintAsset);
}
