import type { Asset } from "../assets.ts";

/** A rule about dashboards or monitors that the API client does not check. */
export interface Lint {
  /** Its file's name. */
  readonly name: string;
  /** The rule, in one line. */
  readonly rule: string;
  readonly kinds: readonly Asset["kind"][];
  /** Whether all of it is our own style: Datadog takes assets that break it. */
  readonly style?: true;
  check(asset: Asset): Iterable<Fault>;
}

export interface Fault {
  /** Where in the asset, such as `widgets[2].definition.title`. */
  readonly path: string;
  /** What is wrong, and how to fix it. */
  readonly message: string;
  /** Whether Datadog takes it none the less: advice for our own files. */
  readonly style?: true;
}
