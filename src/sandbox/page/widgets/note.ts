import { h } from "../dom.ts";
import type { WidgetType } from "./widget.ts";

/** Text, with the little of Markdown that ours has: paragraphs, lists, bold, italics, code. */
export const note: WidgetType = {
  name: "note",
  create(body) {
    let shown = "";
    return {
      draw({ definition }) {
        const content = String(definition.content ?? "");
        if (content === shown) return;
        shown = content;
        body.replaceChildren(h("div", { class: "note" }, content.split(/\n{2,}/).flatMap(paragraph)));
      },
    };
  },
};

function paragraph(text: string): HTMLElement[] {
  const blocks: HTMLElement[] = [];
  let list: HTMLElement | undefined;
  for (const line of text.split("\n")) {
    const [, bullet, rest] = /^\s*([-*]|\d+\.)\s+(.*)$/.exec(line) ?? [];
    if (bullet === undefined) {
      list = undefined;
      blocks.push(h("p", {}, inline(line)));
      continue;
    }
    const tag = /\d/.test(bullet) ? "ol" : "ul";
    if (list?.tagName.toLowerCase() !== tag) {
      list = h(tag, {});
      blocks.push(list);
    }
    list.append(h("li", {}, inline(rest ?? "")));
  }
  return blocks;
}

function inline(text: string): (Node | string)[] {
  return text.split(/(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`)/).map((part) => {
    if (part.startsWith("**")) return h("strong", {}, part.slice(2, -2));
    if (part.startsWith("*")) return h("em", {}, part.slice(1, -1));
    return part.startsWith("`") ? h("code", {}, part.slice(1, -1)) : part;
  });
}
