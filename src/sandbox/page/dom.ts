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
