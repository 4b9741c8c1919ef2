/** Something that Prometheus or Grafana cannot express. Its message completes "not translated: ". */
export class Untranslated extends Error {
  override readonly name = "Untranslated";
}

/** A part of an asset that was left out. */
export interface Omission {
  /** The asset's name, without `.json`. */
  readonly asset: string;
  /** The part: an option, or the title of a widget. */
  readonly part: string;
  readonly why: string;
}
