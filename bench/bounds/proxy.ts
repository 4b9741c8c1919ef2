import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

type Added = readonly (readonly [whole: number, stream: number, wholeCpu: number, streamCpu: number])[];
type Part = 0 | 1 | 2 | 3;

let measured: Promise<Added> | undefined;

/** What a proxy adds, in one run for all rows: ours first, then LiteLLM's. */
function measure(): Promise<Added> {
  measured ??= runProgram("proxy.ts") as Promise<Added>;
  return measured;
}

const added = (proxy: 0 | 1, part: Part): Bound => ({
  unit: "ms",
  measure: async () => (await measure())[proxy]?.[part] ?? Number.NaN,
});

/** What ours adds, of what LiteLLM's does. */
const share = (part: Part): Bound => ({
  unit: "x",
  limit: 0.1,
  async measure() {
    const [ours, litellm] = await measure();
    return (ours?.[part] ?? Number.NaN) / (litellm?.[part] ?? Number.NaN);
  },
});

export const proxyWhole: Bound = added(0, 0);
export const proxyStream: Bound = added(0, 1);
export const litellmWhole: Bound = added(1, 0);
export const litellmStream: Bound = added(1, 1);
/** CPU of the proxy for one answer, and for one of 50 chunks. */
export const proxyWholeCpu: Bound = added(0, 2);
export const proxyStreamCpu: Bound = added(0, 3);
export const proxyWholeShare: Bound = share(0);
export const proxyStreamShare: Bound = share(1);
export const proxyWholeCpuShare: Bound = share(2);
export const proxyStreamCpuShare: Bound = share(3);
