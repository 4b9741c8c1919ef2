import { h } from "./dom.ts";

const TONES: Readonly<Record<string, string>> = {
  OK: "ok",
  Warn: "warn",
  Alert: "bad",
  "No Data": "none",
  open: "bad",
  probing: "warn",
  closed: "ok",
};

/** A status as a coloured word. */
export function pill(status: string): HTMLElement {
  return h("span", { class: `pill tone-${TONES[status] ?? "none"}` }, status);
}
