import type { Json } from "../../../core/json.ts";

/** Where requests of a format say how long the answer may be, for budgets that shorten it. */
export interface RequestSettings {
  /**
   * The members that limit the output of a request with this body, each by its path; none where it cannot be limited.
   * `provider`: of a known host.
   */
  limits(body: Json, provider: string | undefined): readonly (readonly string[])[];
  /** The lowest limit that vendors take with this body; 1 when absent. */
  least?(body: Json): number;
}
