/**
 * What keeps people from using the page as it stands: text of too little contrast, controls, tables and dialogs without a
 * name, twice the same id, no heading, scrolling sideways that the keyboard cannot, and a page that is wider than its
 * screen. Runs in the browser, so that it must not use anything of this file.
 */
export function findBarriers(): readonly string[] {
  type Color = readonly [number, number, number, number];
  const found: string[] = [];
  const nameOf = (element: Element): string => {
    const labels = (element as HTMLInputElement).labels;
    const by = element.getAttribute("aria-labelledby");
    const image = element.matches("canvas") ? element.closest("[role=img],[aria-hidden=true]") : null;
    if (image !== null) return image.getAttribute("aria-label") ?? "hidden";
    const texts = [
      element.getAttribute("aria-label"),
      by && document.getElementById(by)?.textContent,
      ...[...(labels ?? [])].map((label) => label.textContent),
      element.matches("input,select") ? "" : element.textContent,
    ];
    return texts.find((text) => text?.trim())?.trim() ?? "";
  };
  const isShown = (element: Element): boolean => (element as HTMLElement).checkVisibility();
  const place = (element: Element): string =>
    `${element.tagName.toLowerCase()}.${element.className} "${element.textContent?.trim().slice(0, 40)}"`;
  const colorOf = (text: string): Color => {
    const [r = 0, g = 0, b = 0, a = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
    return [r, g, b, a];
  };
  const over = (top: Color, below: Color): Color => {
    const mix = (index: 0 | 1 | 2): number => top[index] * top[3] + below[index] * (1 - top[3]);
    return [mix(0), mix(1), mix(2), 1];
  };
  const behind = (element: Element | null): Color => {
    if (element === null) return [255, 255, 255, 1];
    const own = colorOf(getComputedStyle(element).backgroundColor);
    return own[3] >= 1 ? own : over(own, behind(element.parentElement));
  };
  const light = (color: Color): number => {
    const [r = 0, g = 0, b = 0] = color.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const modal = document.querySelector("dialog:modal");
  const root = modal ?? document.body;
  for (const element of root.querySelectorAll("*")) {
    if (!isShown(element)) continue;
    if ([...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim())) {
      const back = behind(element);
      const [one, other] = [light(over(colorOf(getComputedStyle(element).color), back)), light(back)];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${place(element)}`);
    }
    if (element.matches("a,button,input,select,dialog,[role=region],canvas,nav,table") && !nameOf(element))
      found.push(`no name: ${place(element)}`);
    if (element.matches("th") && !element.textContent?.trim())
      found.push(`empty heading of a column: ${place(element)}`);
    const style = getComputedStyle(element);
    const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
    const isCut = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
    const byKeyboard = element.matches("[tabindex='0']") || element.querySelector("a,button,input,select,summary");
    if (scrolls && isCut && !byKeyboard) found.push(`scrolls without the keyboard: ${place(element)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice the id ${id}`);
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (!document.documentElement.lang || !document.title || !document.querySelector("main"))
    found.push("no language, title or main");
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push("wider than the screen");
  return found;
}
