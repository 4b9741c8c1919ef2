type Child = Node | string | number | undefined | false;

interface Attributes {
  readonly [name: string]: string | number | boolean | undefined | ((event: Event) => void);
}

/** Makes an element. `on…` attributes are listeners, `data-…` and others are set as they are; text is never markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Child | readonly Child[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, String(value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  for (const child of children.flat())
    if (child !== undefined && child !== false) element.append(typeof child === "number" ? String(child) : child);
  return element;
}

/** Replaces the children, unless nothing would look different. */
export function fill(element: HTMLElement, ...children: readonly (Child | readonly Child[])[]): void {
  const next = h("div", {}, ...children);
  if (next.innerHTML === element.innerHTML && !next.querySelector("button,input,select")) return;
  element.replaceChildren(...next.childNodes);
}

const FOCUSABLE = "a,button,input,select,summary,[tabindex]";

/** Replaces the children, and keeps the keyboard's focus where it was. */
export function refill(element: HTMLElement, ...children: readonly Child[]): void {
  const before = [...element.querySelectorAll<HTMLElement>(FOCUSABLE)].indexOf(document.activeElement as HTMLElement);
  element.replaceChildren(...children.filter((child) => child !== undefined && child !== false).map(nodeOf));
  if (before >= 0) element.querySelectorAll<HTMLElement>(FOCUSABLE)[before]?.focus({ preventScroll: true });
}

function nodeOf(child: Exclude<Child, undefined | false>): Node | string {
  return typeof child === "number" ? String(child) : child;
}

/** A table with a name. It scrolls sideways on narrow screens, also by keyboard. */
export function panelOf(name: string, titles: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  const head = titles.map((text) => h("th", { scope: "col" }, text));
  const table = h("table", { "aria-label": name }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
  return h("div", { class: "panel", tabindex: 0, role: "region", "aria-label": `${name}: scrolls` }, table);
}
